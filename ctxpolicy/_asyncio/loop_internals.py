"""What is inside a loop of asyncio's, behind its private names."""

from __future__ import annotations

import asyncio
import sys
from asyncio import AbstractEventLoop, base_events, selector_events, tasks
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any, NamedTuple

__all__ = ["default_executor", "detach", "is_idle", "pending_work", "run_ready_callbacks"]


def detach(loop: AbstractEventLoop, runs_here: bool = False) -> bool:
    """Give a selector loop inherited by a forked child a selector and a self-pipe of its own.

    Whatever else it watched is the parent's alone from then on.

    Args:
        runs_here: the fork was made inside the loop. From 3.14 on the child then cannot come out of the task that it is
            in, as asyncio has cleared the running marker: the loop is stopped, where it would wait for ever otherwise.

    Returns:
        whether it could be done: not with loops of other kinds.
    """
    if not isinstance(loop, selector_events.BaseSelectorEventLoop):
        return False
    if loop.is_closed():
        return True
    shared: Any = loop._selector  # type: ignore[attr-defined]
    kernel_object: Any = getattr(shared, "_selector", None)
    if hasattr(kernel_object, "close"):
        kernel_object.close()  # this process's descriptor of it only, before anything is unregistered
    shared._fd_to_key.clear()
    loop._selector = type(shared)()  # type: ignore[attr-defined]
    for end in (loop._ssock, loop._csock):  # type: ignore[attr-defined]
        end.close()
    loop._internal_fds -= 1  # type: ignore[attr-defined]
    loop._make_self_pipe()  # type: ignore[attr-defined]
    if not runs_here:
        loop._thread_id = None  # type: ignore[attr-defined]  # the thread that ran it is not there
    elif sys.version_info >= (3, 14):
        loop.stop()
    return True


def run_ready_callbacks(loop: AbstractEventLoop) -> None:
    """Have a loop of asyncio's, which is not running, do what is ready."""
    if loop._ready:  # type: ignore[attr-defined]
        loop.call_soon(loop.stop)
        loop.run_forever()


def is_idle(loop: Any) -> bool:
    """Tell whether nothing is in a selector loop of asyncio's but its self-pipe."""
    # The sets in the weak ones, as len() of those is Python's, and slow.
    return not (
        loop._ready
        or loop._scheduled
        or loop._signal_handlers
        or loop._asyncgens.data
        or loop._transports.data
        or getattr(loop, "_unix_server_sockets", None)
        or len(loop._selector.get_map()) != 1
    )


if sys.version_info >= (3, 14):
    _tasks_of = tasks.all_tasks

else:

    def _tasks_of(loop: AbstractEventLoop) -> set[asyncio.Task[Any]]:
        # As all_tasks() does it, but not by the weak set's own iterator: where there is no task at all that takes 2 us
        # of the 22 that it takes to make a loop and close it.
        kept: Any = getattr(tasks, "_all_tasks" if sys.version_info < (3, 12) else "_scheduled_tasks")
        living: list[Any] = [*getattr(tasks, "_eager_tasks", ()), *(reference() for reference in list(kept.data))]
        return {task for task in living if task is not None and task.get_loop() is loop and not task.done()}


class Leftover(NamedTuple):
    """What would be lost with a loop. In words only when these are asked for: whatever it is, its repr() may raise."""

    words: str
    thing: object

    def __str__(self) -> str:
        return self.words.format(self.thing)


def pending_work(loop: AbstractEventLoop, unknown: bool = False) -> list[Leftover]:
    """Return what of ``loop`` would be lost if it were only closed.

    That is: tasks, asynchronous generators, the default executor, and what the loop would call: timers, callbacks that
    are ready, readers and writers.

    Args:
        unknown: whether to count what a loop that is not asyncio's own does not tell.
    """
    known = _tasks_of(loop)
    found = [Leftover("{!r}", task) for task in known]
    if not isinstance(loop, base_events.BaseEventLoop):
        if unknown:
            found.append(Leftover("asynchronous generators, callbacks and a default executor of {!r}, perhaps", loop))
        return found
    found += [Leftover("{!r}", thing) for thing in _calls_of(loop, known)]
    found += _watched_by(loop)
    if loop._asyncgens.data:  # type: ignore[attr-defined]
        found += [Leftover("{!r}", agen) for agen in loop._asyncgens]  # type: ignore[attr-defined]
    executor = default_executor(loop)
    if executor is not None:
        found.append(Leftover("the default executor {!r}", executor))
    return found


def _calls_of(loop: Any, known: set[asyncio.Task[Any]]) -> Iterator[object]:
    """Return what ``loop`` will call: the tasks that wait for that and are not ``known``, else the handle.

    A loop and its tasks that are garbage together are still bound to each other. Not so by the weak references by which
    asyncio knows its tasks up to Python 3.13: the collector clears these first.
    """
    seen = set(known)
    for handle in (*loop._ready, *loop._scheduled):
        if not handle.cancelled():
            waiting = _waiting_for(handle)
            yield from waiting - seen or ([] if waiting else [handle])
            seen |= waiting


def _waiting_for(handle: Any) -> set[asyncio.Task[Any]]:
    ahead: list[Any] = [_owner(handle._callback), *handle._args]
    futures: set[asyncio.Future[Any]] = set()
    while ahead:
        one = ahead.pop()
        # By its type, as isinstance() asks a proxy, which may raise.
        if issubclass(type(one), asyncio.Future) and one not in futures:
            futures.add(one)
            ahead += [_owner(callback) for callback, _ in one._callbacks or ()]
    return {future for future in futures if isinstance(future, asyncio.Task)}


def _owner(callback: Any) -> Any:
    return getattr(callback, "__self__", None)  # a task's callbacks are its methods


def _watched_by(loop: Any) -> Iterator[Leftover]:
    if isinstance(loop, selector_events.BaseSelectorEventLoop):
        watched = loop._selector.get_map()  # type: ignore[attr-defined]
        if len(watched) > 1:  # its self-pipe is one
            for key in watched.values():
                if key.fd != loop._ssock.fileno():  # type: ignore[attr-defined]
                    yield Leftover("file descriptor {0.fd}, watched for {0.data!r}", key)


def default_executor(loop: AbstractEventLoop) -> Executor | None:
    """Return the default executor of ``loop`` where it has one; ``None`` also where a loop of another kind hides it."""
    executor: Executor | None = getattr(loop, "_default_executor", None)
    return executor
