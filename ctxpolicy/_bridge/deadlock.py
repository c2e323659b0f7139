"""Track which thread waits for which work, to refuse a wait that could never end.

A piece of work is an isolated call, a job of an executor, or a coroutine that runs under a running loop. One thread
does the work, and another may wait for its end. If the waiting thread runs a loop and does not await, that loop is
blocked until the work ends. A deadlock arises when the work, directly or through other work that it waits for, submits
something to the blocked loop and waits for the result. The chain may lead over several loops: everything that was
submitted to a blocked loop waits for the work that the loop is blocked on, and every thread that waits for a result
from the blocked loop waits for that work too.

Only waits without a timeout count, because a wait with a timeout ends. A loop that awaits the work still runs, and is
therefore not blocked. Its waiter still counts when the chain is followed further.
"""

from __future__ import annotations

import contextlib
import threading
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from typing import Final, NamedTuple

from ctxpolicy._asyncio.running import running_loop
from ctxpolicy._fork import RESOLVER, renew_after_fork
from ctxpolicy._loops.creation import creation_site
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import BlockingError

__all__ = ["Waiter", "Work", "blocked_on", "current_work", "waiting_for_loop"]


class Waiter(NamedTuple):
    """A thread that waits for a piece of work.

    Attributes:
        loop: the loop that runs in the waiting thread; ``None`` if no loop runs there.
        work: the work that the waiting thread does itself; ``None`` if that is not known.
        blocked: whether ``loop`` can run nothing else during the wait.
    """

    loop: AbstractEventLoop | None
    work: Work | None
    blocked: bool


class Work:
    """A piece of work that one thread does and other threads may wait for.

    A ``with`` block of the work records that this thread does the work.

    Args:
        waiter: the thread that waits until the work ends, if there is one.
        part_of: the larger work that ends only after this work has ended (for a job: all jobs of its executor).
    """

    __slots__ = ("_previous", "part_of", "waiters")

    def __init__(self, waiter: Waiter | None = None, part_of: Work | None = None) -> None:
        self.waiters: tuple[Waiter, ...] = () if waiter is None else (waiter,)
        self.part_of = part_of

    def __enter__(self) -> None:
        self._previous = _thread.work
        _thread.work = self

    def __exit__(self, *_: object) -> None:
        _thread.work = self._previous


class _Graph:
    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Forget the waits of threads that do not exist in a forked child."""
        self.lock = threading.Lock()
        # For each loop, the work that has submitted something to the loop and waits for the result.
        self.submitters: dict[AbstractEventLoop, list[Work]] = {}


_graph: Final = _Graph()
renew_after_fork(_graph, RESOLVER)


class _Thread(threading.local):
    work: Work | None = None


_thread: Final = _Thread()


def current_work() -> Work | None:
    """Return the work that this thread does, ``None`` if that is not known."""
    return _thread.work


@contextlib.contextmanager
def blocked_on(work: Work) -> Iterator[None]:
    """Record, for a ``with`` block, that this thread and the loop that runs in it are blocked until ``work`` ends.

    Raises:
        BlockingError: ``work`` waits for a loop that the wait would block.
    """
    waiter = Waiter(running_loop(), current_work(), blocked=True)
    with _graph.lock:
        for loop in [waiter.loop, *_loops_blocked_on(waiter.work)]:
            if loop is not None and any(_waits_for(work, other) for other in _graph.submitters.get(loop, ())):
                raise _refusal(loop, "is waited for by the work that this thread would wait for")
        work.waiters += (waiter,)
    try:
        yield
    finally:
        with _graph.lock:
            waiters = list(work.waiters)
            waiters.remove(waiter)
            work.waiters = tuple(waiters)


@contextlib.contextmanager
def waiting_for_loop(loop: AbstractEventLoop, *, limited: bool) -> Iterator[None]:
    """Record, for a ``with`` block, that this thread submits something to ``loop`` and waits for the result.

    Args:
        loop: a loop that runs in another thread.
        limited: whether the wait has a timeout.

    Raises:
        BlockingError: ``loop`` is blocked until the work of this thread ends.
    """
    work = current_work()
    if work is None:
        yield
        return
    with _graph.lock:
        if any(blocked is loop for blocked in _loops_blocked_on(work)):
            raise _refusal(loop, "is blocked until the work of this thread ends")
        if not limited:
            _graph.submitters.setdefault(loop, []).append(work)
    try:
        yield
    finally:
        if not limited:
            with _graph.lock:
                works = _graph.submitters[loop]
                works.remove(work)
                if not works:
                    del _graph.submitters[loop]


def _loops_blocked_on(work: Work | None) -> Iterator[AbstractEventLoop]:
    """Yield the loops that are blocked until ``work`` ends."""
    for dependent in _dependents(work):
        for waiter in dependent.waiters:
            if waiter.blocked and waiter.loop is not None:
                yield waiter.loop


def _waits_for(work: Work, other: Work) -> bool:
    """Return whether ``work`` can end only after ``other`` has ended."""
    return any(dependent is work for dependent in _dependents(other))


def _dependents(work: Work | None) -> Iterator[Work]:
    """Yield ``work`` and all work that can end only after ``work`` has ended.

    Such work is: the larger work that ``work`` is part of, the work of the threads that wait for ``work``, the work
    that waits for a loop which is blocked on ``work``, and all work that in turn depends on one of these.
    """
    seen: list[Work] = []
    pending = [work]
    while pending:
        dependent = pending.pop()
        if dependent is None or any(dependent is other for other in seen):
            continue
        seen.append(dependent)
        yield dependent
        pending.append(dependent.part_of)
        for waiter in dependent.waiters:
            pending.append(waiter.work)
            if waiter.blocked and waiter.loop is not None:
                pending += _graph.submitters.get(waiter.loop, ())


def _refusal(loop: AbstractEventLoop, reason: str) -> BlockingError:
    return BlockingError(
        f"waiting here (thread {thread_name()}) would never end: {loop!r}, made at {creation_site(loop)}, {reason}. "
        "Await in that loop instead of blocking it (await asyncio.wrap_future(...), await isolate(...)), or compute "
        "the result before and pass it in."
    )
