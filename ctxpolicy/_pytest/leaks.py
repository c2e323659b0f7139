"""What a test has left behind: found, and made harmless to the next one."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, Final

from ctxpolicy._asyncio.forked_loops import watched
from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.loop_internals import default_executor
from ctxpolicy._asyncio.running import running_loop
from ctxpolicy._loops.creation import origin
from ctxpolicy._loops.lease import open_leases
from ctxpolicy._loops.pool import spares
from ctxpolicy._loops.snapshot import references
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._pytest.bounded_shutdown import end, end_tasks
from ctxpolicy._pytest.creator_threads import birthplace, thread_pools
from ctxpolicy._pytest.running_loop import PutAside, leave_task
from ctxpolicy._pytest.task_owners import left_in, making

__all__ = ["Owned", "Watch"]

_OUR_THREADS: Final = "ctxpolicy-"  # the pool of isolate() keeps its threads, and a loop in each
_PATIENCE: Final = 0.5  # seconds that threads which are about to end are given, all together
_LONG_PATIENCE: Final = 5.0  # seconds that what is in the loops of a test is given to end when it is cancelled


class Owned:
    """What fixtures that live longer than a test have made: it stays, and is no leak."""

    def __init__(self) -> None:
        self._loops: weakref.WeakSet[AbstractEventLoop] = weakref.WeakSet()
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._executors: weakref.WeakSet[Executor] = weakref.WeakSet()

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Add what is made in the block."""
        __tracebackhide__ = True
        loops, threads, pools = set(watched()), set(threading.enumerate()), set(thread_pools())
        try:
            yield
        finally:
            self._loops.update(loop for loop in watched() if loop not in loops)
            self._threads.update(thread for thread in threading.enumerate() if thread not in threads)
            self._executors.update(pool for pool in thread_pools() if pool not in pools)

    def add_value(self, value: object) -> None:
        """Add what such a fixture returns, wherever it was made: an executor starts its threads when it is used."""
        if isinstance(value, Executor):
            self._executors.add(value)

    def owns(self, loop: AbstractEventLoop) -> bool:
        """Tell whether ``loop`` was made so, or by a thread that is owned."""
        thread = birthplace(loop)
        return loop in self._loops or (thread is not None and self.owns_thread(thread))

    def owns_thread(self, thread: threading.Thread) -> bool:
        """Tell whether ``thread`` was made so, or works for an executor that was, or that such a loop or thread has."""
        loops = [loop for loop in watched() if loop in self._loops or birthplace(loop) in self._threads]
        pools = [pool for pool in thread_pools() if birthplace(pool) in self._threads]
        executors = [*self._executors, *pools, *map(default_executor, loops)]
        return thread in self._threads or any(thread in getattr(each, "_threads", ()) for each in executors)


class Watch:
    """What is there when a test begins.

    Args:
        owned: what is not the test's.
        policy: the policy that it finds, and is to leave in force.
        markers: takes off a running marker that it leaves.
    """

    def __init__(self, owned: Owned, policy: ContextPolicy, markers: PutAside) -> None:
        self._test = object()  # what tasks keep, and so contexts, is to hold nothing
        making(self._test)
        self._owned = owned
        self._policy = policy
        self._markers = markers
        self._loops = _by_identity()
        self._threads = set(threading.enumerate())

    def clean_up(self) -> list[str]:
        """Return a line for each thing that the test has left, after making it harmless."""
        making(None)
        spares.close()  # which are nobody's leak
        loops = _by_identity()  # held here: one that is bound only would be gone with its binding, unreported
        left = [*self._policy_replaced(), *self._marker_left()]
        self._policy.resolver.bindings.clear()  # leases end by this, as they should
        _reclaim_leases()
        of_test = [loop for loop in loops.values() if self._is_the_tests(loop)]
        for loop in of_test:
            left += _loop_left(loop)
        deadline = time.monotonic() + _LONG_PATIENCE
        left += _not_ended(of_test, deadline)
        for loop in loops.values():
            left += self._tasks_left(loop, deadline)
        return [*left, *self._threads_left()]

    def _policy_replaced(self) -> Iterator[str]:
        now = host.in_force()
        if now is not self._policy:
            host.force(self._policy)
            yield f"the event loop policy was replaced by {now!r}: restore it in the test, or in its fixture"

    def _marker_left(self) -> Iterator[str]:
        loop = running_loop()
        if loop is not None and not self._owned.owns(loop):
            self._markers.take()
            yield f"{_name(loop)} is still marked as running in this thread, so that asyncio.run() would be refused"

    def _is_the_tests(self, loop: AbstractEventLoop) -> bool:
        return id(loop) not in self._loops and not self._owned.owns(loop) and not self._is_foreign(loop)

    def _tasks_left(self, loop: AbstractEventLoop, deadline: float) -> Iterator[str]:
        """End the test's tasks in a loop that is not."""
        if self._is_the_tests(loop) or _is_ours(birthplace(loop)) or _takes_nothing(loop):
            return
        tasks = {task: repr(task) for task in left_in(loop, self._test)}
        for task in end_tasks([*tasks], _PATIENCE, deadline) if tasks else ():
            late = "" if task.done() else ", and has not ended since it was cancelled"
            yield f"{tasks[task]} was left in {_name(loop)} which is not the test's: await it, or cancel it{late}"

    def _is_foreign(self, loop: AbstractEventLoop) -> bool:
        """Tell whether a thread has made ``loop`` that is not the test's: one from before it, or of our pool."""
        thread = birthplace(loop)
        return (
            thread is not None
            and thread is not threading.current_thread()
            and (thread in self._threads or _is_ours(thread))
        )

    def _threads_left(self) -> Iterator[str]:
        deadline = time.monotonic() + _PATIENCE
        for thread in set(threading.enumerate()) - self._threads:
            if not _is_ours(thread) and not self._owned.owns_thread(thread):
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    yield f"{thread!r} was left running: join it, or shut its executor down"


def _loop_left(loop: AbstractEventLoop) -> Iterator[str]:
    name = _name(loop)
    entered = None if loop.is_running() or _other_thread(loop) is not None else leave_task(loop)
    if entered is not None:
        yield f"{entered!r} was left as the current task of {name} so that it could run no other"
    for task in asyncio.all_tasks(loop):
        yield f"{task!r} of {name} was never awaited to its end"
    if loop.is_closed():
        return
    if default_executor(loop) is not None:
        yield f"the default executor of {name} was not shut down: await loop.shutdown_default_executor()"
    thread = _other_thread(loop)
    if loop.is_running():
        yield f"{name} was left running, in another thread or greenlet: stop it"
    elif thread is not None:
        yield f"{name} was left open in {thread!r}, which may still use it: close it there"
    else:
        yield f"{name} was left open: close it, or have asyncio.run() make it"


def _not_ended(loops: list[AbstractEventLoop], deadline: float) -> Iterator[str]:
    """End the loops that can be; return a line for each that had something in it which did not."""
    for loop in loops:
        in_use = loop.is_closed() or loop.is_running() or _other_thread(loop) is not None
        if not in_use and not end(loop, deadline):
            yield (
                f"{_name(loop)} was closed with something in it that had not ended {_LONG_PATIENCE:g} seconds after it "
                "was cancelled"
            )


def _other_thread(loop: AbstractEventLoop) -> threading.Thread | None:
    """Return the thread that has made ``loop``, where that is another one and lives."""
    thread = birthplace(loop)
    return thread if thread is not threading.current_thread() and thread in threading.enumerate() else None


def _is_ours(thread: threading.Thread | None) -> bool:
    return thread is not None and thread.name.startswith(_OUR_THREADS)


def _takes_nothing(loop: AbstractEventLoop) -> bool:
    """Tell whether nothing can be run in ``loop`` from here."""
    if loop.is_running():
        return getattr(loop, "_thread_id", None) == threading.get_ident()  # in another greenlet
    return loop.is_closed() or _other_thread(loop) is not None  # a thread has it that may run it at any moment


def _reclaim_leases() -> None:
    """Have the leases that nobody has any more end now, on a Python that does not see to it at once."""
    if references is None and open_leases():
        gc.collect()


def _by_identity() -> dict[int, AbstractEventLoop]:
    return {id(loop): loop for loop in watched()}  # the dictionary keeps them alive, and so the ids theirs


def _name(loop: Any) -> str:
    return f"{loop!r}, made at {origin(loop)},"
