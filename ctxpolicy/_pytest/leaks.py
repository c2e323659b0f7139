"""Find and report the leaks of a test, and make them harmless to the tests that follow."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from typing import Any, Final

from ctxpolicy._asyncio.forked_loops import tracked
from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.loop_internals import default_executor, ident_of_running_thread
from ctxpolicy._asyncio.running import running_loop
from ctxpolicy._loops.creation import creation_site
from ctxpolicy._loops.lease import open_leases
from ctxpolicy._loops.pool import loop_pool
from ctxpolicy._loops.snapshot import refcount
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._pytest.bounded_shutdown import end_tasks, shut_down
from ctxpolicy._pytest.creator_threads import creator_thread
from ctxpolicy._pytest.fixture_resources import FixtureResources
from ctxpolicy._pytest.running_loop import RunningLoopGuard, leave_current_task
from ctxpolicy._pytest.task_owners import set_running_test, unfinished_tasks

__all__ = ["LeakCheck"]

_OUR_THREADS: Final = "ctxpolicy-"  # the names of isolate()'s threads, which stay alive with their loops
_THREAD_TIMEOUT: Final = 0.5  # seconds to wait for all of a test's threads and tasks that may be about to end
_SHUTDOWN_TIMEOUT: Final = 5.0  # seconds to wait for everything that is cancelled in all of a test's loops


class LeakCheck:
    """Finds the leaks of one test, by comparison with the loops and threads at the start of the test.

    Args:
        fixtures: the resources of fixtures, which are no leaks of the test.
        policy: the policy in force at the start of the test, which the test has to leave in force.
        guard: unsets a running loop that the test leaves set.
    """

    def __init__(self, fixtures: FixtureResources, policy: ContextPolicy, guard: RunningLoopGuard) -> None:
        # Not `self`: tasks and contextvars contexts refer to this object, and must keep nothing else alive through it.
        self._test = object()
        set_running_test(self._test)
        self._fixtures = fixtures
        self._policy = policy
        self._guard = guard
        self._loops = _loops_by_identity()
        self._threads = set(threading.enumerate())

    def clean_up(self) -> list[str]:
        """Make the leaks of the test harmless; return a line for each leak."""
        set_running_test(None)
        loop_pool.close()  # loops kept for reuse are no leaks
        # The dictionary keeps the loops alive: a loop that is only bound would end unreported with its binding.
        loops = _loops_by_identity()
        left = [*self._replaced_policy(), *self._running_loop_left()]
        self._policy.resolver.bindings.clear()  # ends the leases of this context, which are no leaks
        _collect_leases()
        of_test = [loop for loop in loops.values() if self._is_of_test(loop)]
        for loop in of_test:
            left += _leaks_of_loop(loop)
        deadline = time.monotonic() + _SHUTDOWN_TIMEOUT
        left += _shut_down_all(of_test, deadline)
        for loop in loops.values():
            left += self._tasks_left_elsewhere(loop, deadline)
        return [*left, *self._threads_left()]

    def _replaced_policy(self) -> Iterator[str]:
        now = host.in_force()
        if now is not self._policy:
            host.force(self._policy)
            yield f"the event loop policy was replaced by {now!r}: restore it in the test, or in its fixture"

    def _running_loop_left(self) -> Iterator[str]:
        loop = running_loop()
        if loop is not None and not self._fixtures.owns_loop(loop):
            self._guard.unset()
            yield f"{_name(loop)} is still set as the running loop of this thread, so that asyncio.run() raises"

    def _is_of_test(self, loop: AbstractEventLoop) -> bool:
        return id(loop) not in self._loops and not self._fixtures.owns_loop(loop) and not self._is_of_other_thread(loop)

    def _is_of_other_thread(self, loop: AbstractEventLoop) -> bool:
        """Return whether a thread that is not the test's created ``loop``: an older thread, or one of isolate()'s."""
        thread = creator_thread(loop)
        return (
            thread is not None
            and thread is not threading.current_thread()
            and (thread in self._threads or _is_ours(thread))
        )

    def _tasks_left_elsewhere(self, loop: AbstractEventLoop, deadline: float) -> Iterator[str]:
        """End the test's tasks in a loop that is not the test's."""
        if self._is_of_test(loop) or _is_ours(creator_thread(loop)) or _is_out_of_reach(loop):
            return
        tasks = {task: repr(task) for task in unfinished_tasks(loop, self._test)}
        for task in end_tasks([*tasks], _THREAD_TIMEOUT, deadline) if tasks else ():
            late = "" if task.done() else ", and has not ended since it was cancelled"
            yield f"{tasks[task]} was left in {_name(loop)} which is not the test's: await it, or cancel it{late}"

    def _threads_left(self) -> Iterator[str]:
        deadline = time.monotonic() + _THREAD_TIMEOUT
        for thread in set(threading.enumerate()) - self._threads:
            if not _is_ours(thread) and not self._fixtures.owns_thread(thread):
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    yield f"{thread!r} was left running: join it, or shut its executor down"


def _leaks_of_loop(loop: AbstractEventLoop) -> Iterator[str]:
    name = _name(loop)
    entered = None if loop.is_running() or _other_thread(loop) is not None else leave_current_task(loop)
    if entered is not None:
        yield f"{entered!r} was left as the current task of {name} which can therefore run no other task"
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
        yield f"{name} was left open: close it, or let asyncio.run() make and close it"


def _shut_down_all(loops: list[AbstractEventLoop], deadline: float) -> Iterator[str]:
    """Shut down the loops that are not in use; return a line for each in which something did not end in time."""
    for loop in loops:
        in_use = loop.is_closed() or loop.is_running() or _other_thread(loop) is not None
        if not in_use and not shut_down(loop, deadline):
            yield (
                f"{_name(loop)} was closed with something in it that had not ended {_SHUTDOWN_TIMEOUT:g} seconds after "
                "it was cancelled"
            )


def _other_thread(loop: AbstractEventLoop) -> threading.Thread | None:
    """Return the thread that created ``loop``, if it is alive and is not this thread."""
    thread = creator_thread(loop)
    return thread if thread is not threading.current_thread() and thread in threading.enumerate() else None


def _is_ours(thread: threading.Thread | None) -> bool:
    return thread is not None and thread.name.startswith(_OUR_THREADS)


def _is_out_of_reach(loop: AbstractEventLoop) -> bool:
    """Return whether this thread can run nothing in ``loop``."""
    if loop.is_running():
        return ident_of_running_thread(loop) == threading.get_ident()  # another greenlet of this thread runs it
    return loop.is_closed() or _other_thread(loop) is not None  # that thread may run the loop at any moment


def _collect_leases() -> None:
    """Collect garbage if references are not counted, so that unreferenced leases end now."""
    if refcount is None and open_leases():
        gc.collect()


def _loops_by_identity() -> dict[int, AbstractEventLoop]:
    return {id(loop): loop for loop in tracked()}  # the values keep the loops alive: no id is used again


def _name(loop: Any) -> str:
    return f"{loop!r}, made at {creation_site(loop)},"
