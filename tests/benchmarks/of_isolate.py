"""The cost of awaiting a coroutine that runs on another loop in another thread."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pyperf

from ctxpolicy import close_isolate_pool, isolate
from tests.benchmarks.measure import Effort, Measured, TimeFunction, compare
from tests.benchmarks.rows import Reach, Row

__all__ = ["ROWS"]

Call = Callable[[], Awaitable[Any]]


async def _noop() -> None:
    pass


def _isolated() -> Awaitable[Any]:
    return isolate(_noop)


@contextlib.contextmanager
def _running_anew() -> Iterator[Call]:
    """Make a loop for each call, in a thread of asyncio's default executor."""
    yield lambda: asyncio.to_thread(asyncio.run, _noop())


@contextlib.contextmanager
def _standing_thread() -> Iterator[Call]:
    """Run one loop in one thread, which all calls share."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield lambda: asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_noop(), loop))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextlib.contextmanager
def _portal() -> Iterator[Call]:
    """Run the calls in anyio's blocking portal, which has one loop for all calls."""
    from anyio.from_thread import start_blocking_portal

    with start_blocking_portal() as portal:
        yield lambda: asyncio.wrap_future(portal.start_task_soon(_noop))


@contextlib.contextmanager
def _asgiref() -> Iterator[Call]:
    """Call sync code in a thread of asgiref, which calls async code."""
    from asgiref.sync import async_to_sync, sync_to_async

    yield sync_to_async(async_to_sync(_noop, force_new_loop=True), thread_sensitive=False)


@contextlib.contextmanager
def _on_one_core() -> Iterator[None]:
    """Keep this thread, and the threads that it starts, on one core if the system allows it.

    On several cores, the time of a call depends on where the scheduler puts the two threads and how long an idle core
    takes to wake up: the same comparison gave 0.2 in one process and 0.5 in the next.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _against(
    peer: Callable[[], contextlib.AbstractContextManager[Call]],
    cores: Callable[[], contextlib.AbstractContextManager[None]] = _on_one_core,
) -> Callable[[Effort], Measured]:
    def measure(effort: Effort) -> Measured:
        loop = asyncio.new_event_loop()
        try:
            with cores(), peer() as call:
                # About twenty calls per slice, because a thread's turn on a busy machine takes longer than a call.
                return compare(_awaits(loop, _isolated), _awaits(loop, call), effort, slice_seconds=0.003)
        finally:
            close_isolate_pool()
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    return measure


def _awaits(loop: asyncio.AbstractEventLoop, call: Call) -> TimeFunction:
    """Return a time function that awaits one call after the other."""

    async def main(loops: int) -> float:
        times = itertools.repeat(None, loops)
        start = pyperf.perf_counter()
        for _ in times:
            await call()
        return pyperf.perf_counter() - start

    return lambda loops: loop.run_until_complete(main(loops))


ISOLATE = "`await isolate(noop)`, both threads on one core"
ANYWHERE = "the same on any core"
ANEW = "`await asyncio.to_thread(asyncio.run, noop())`"
STANDING = "a standing loop thread, `run_coroutine_threadsafe` (one loop for all calls)"

ROWS = [
    Row("isolate", ISOLATE, ANEW, _against(_running_anew), reach=Reach(0.333), pypy=False),
    Row("isolate-cores", ANYWHERE, ANEW, _against(_running_anew, contextlib.nullcontext), pypy=False),
    Row("isolate-standing", ISOLATE, STANDING, _against(_standing_thread), reach=Reach(1.3), pypy=False),
    Row(
        "isolate-standing-cores", ANYWHERE, STANDING, _against(_standing_thread, contextlib.nullcontext), pypy=False
    ),
    Row(
        "isolate-portal", ISOLATE, "anyio's blocking portal (one loop for all calls)", _against(_portal),
        needs=("anyio",), pypy=False,
    ),
    Row(
        "isolate-asgiref", ISOLATE, "asgiref's `sync_to_async(async_to_sync(noop))`", _against(_asgiref),
        needs=("asgiref",), pypy=False,
    ),
]  # fmt: skip
