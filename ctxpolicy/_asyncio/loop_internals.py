"""The internals of asyncio's loops and tasks, behind private names."""

from __future__ import annotations

import asyncio
import sys
from asyncio import AbstractEventLoop, base_events, selector_events, tasks
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any, NamedTuple

__all__ = [
    "default_executor",
    "detach",
    "has_ready_callbacks",
    "ident_of_running_thread",
    "is_idle",
    "pending_work",
    "run_ready_callbacks",
    "self_pipe",
    "silence_destroyed",
    "source_traceback",
]


def detach(loop: AbstractEventLoop, runs_here: bool = False) -> bool:
    """Give a selector loop that a forked child inherited a selector and a self-pipe of its own.

    Every other file descriptor that the loop watched belongs to the parent alone from then on.

    Args:
        loop: the loop.
        runs_here: whether the fork happened inside the running loop. From 3.14 on the child then cannot leave its
            current task, because asyncio has unset the running loop. Therefore the loop is stopped; it would wait
            forever otherwise.

    Returns:
        whether this was possible; ``False`` for loops of other kinds.
    """
    if not isinstance(loop, selector_events.BaseSelectorEventLoop):
        return False
    if loop.is_closed():
        return True
    inside: Any = loop
    shared: Any = inside._selector
    kernel_object: Any = getattr(shared, "_selector", None)
    if hasattr(kernel_object, "close"):
        kernel_object.close()  # closes this process's descriptor only; before anything is unregistered
    shared._fd_to_key.clear()
    inside._selector = type(shared)()
    for end in (inside._ssock, inside._csock):
        end.close()
    inside._internal_fds -= 1
    inside._make_self_pipe()
    if not runs_here:
        inside._thread_id = None  # the thread that ran the loop is not in this process
    elif sys.version_info >= (3, 14):
        loop.stop()
    return True


def has_ready_callbacks(loop: Any) -> bool:
    """Return whether one of asyncio's loops has callbacks that would run next."""
    return bool(loop._ready)


def run_ready_callbacks(loop: AbstractEventLoop) -> None:
    """Run the ready callbacks of one of asyncio's loops, which must not be running."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def is_idle(loop: Any) -> bool:
    """Return whether one of asyncio's selector loops contains nothing but its self-pipe."""
    # len() of a WeakSet and of a selector's map is written in Python, and slow.
    return not (
        loop._ready
        or loop._scheduled
        or loop._signal_handlers
        or loop._asyncgens.data
        or loop._transports.data
        or getattr(loop, "_unix_server_sockets", None)
        or len(loop._selector._fd_to_key) != 1
    )


if sys.version_info >= (3, 14):
    _tasks_of = tasks.all_tasks

else:

    def _tasks_of(loop: AbstractEventLoop) -> set[asyncio.Task[Any]]:
        # This does the same as all_tasks(), but without the iterator of the WeakSet. Even without any task, the
        # iterator takes 2 us of the 22 us that creating and closing a loop takes.
        kept: Any = getattr(tasks, "_all_tasks" if sys.version_info < (3, 12) else "_scheduled_tasks")
        living: list[Any] = [*getattr(tasks, "_eager_tasks", ()), *(reference() for reference in list(kept.data))]
        return {task for task in living if task is not None and task.get_loop() is loop and not task.done()}


class PendingItem(NamedTuple):
    """One item of the pending work of a loop.

    Attributes:
        template: a format string that describes the item. It is formatted on demand, because ``repr()`` of an unknown
            object may raise.
        thing: the object.
    """

    template: str
    thing: object

    def __str__(self) -> str:
        return self.template.format(self.thing)


def pending_work(loop: AbstractEventLoop, unknown: bool = False) -> list[PendingItem]:
    """Return the pending work of ``loop``, which would be lost if ``loop`` were closed now.

    Pending work is: tasks, asynchronous generators, the default executor, timers, ready callbacks, readers and writers.

    Args:
        loop: the loop.
        unknown: whether to add an item for the work that a loop may hide if it is not one of asyncio's own classes.
    """
    known = _tasks_of(loop)
    found = [PendingItem("{!r}", task) for task in known]
    if not isinstance(loop, base_events.BaseEventLoop):
        if unknown:
            hidden = "asynchronous generators, callbacks and a default executor of {!r}, perhaps"
            found.append(PendingItem(hidden, loop))
        return found
    found += [PendingItem("{!r}", thing) for thing in _calls_of(loop, known)]
    found += _watched_descriptors(loop)
    agens: Any = loop._asyncgens  # type: ignore[attr-defined]  # private
    if agens.data:
        found += [PendingItem("{!r}", agen) for agen in agens]
    executor = default_executor(loop)
    if executor is not None:
        found.append(PendingItem("the default executor {!r}", executor))
    return found


def _calls_of(loop: Any, known: set[asyncio.Task[Any]]) -> Iterator[object]:
    """Return, for each handle of ``loop``, the waiting tasks that are not ``known``, or else the handle itself.

    When a loop and its tasks are garbage together, they still refer to each other. The weak references by which asyncio
    knows its tasks up to Python 3.13 are of no use then, because the collector clears them first.
    """
    seen = set(known)
    for handle in (*loop._ready, *loop._scheduled):
        if not handle.cancelled():
            waiting = _waiting_for(handle)
            yield from waiting - seen or ([] if waiting else [handle])
            seen |= waiting


def _waiting_for(handle: Any) -> set[asyncio.Task[Any]]:
    """Return the tasks that ``handle`` wakes up, directly or through other futures."""
    ahead: list[Any] = [_owner(handle._callback), *handle._args]
    futures: set[asyncio.Future[Any]] = set()
    while ahead:
        one = ahead.pop()
        # type(), not isinstance(): the latter asks a proxy for its __class__, and this may raise.
        if issubclass(type(one), asyncio.Future) and one not in futures:
            futures.add(one)
            ahead += [_owner(callback) for callback, _ in one._callbacks or ()]
    return {future for future in futures if isinstance(future, asyncio.Task)}


def _owner(callback: Any) -> Any:
    return getattr(callback, "__self__", None)  # a task's callbacks are its methods


def _watched_descriptors(loop: Any) -> Iterator[PendingItem]:
    if isinstance(loop, selector_events.BaseSelectorEventLoop):
        inside: Any = loop
        watched = inside._selector.get_map()
        if len(watched) > 1:  # the self-pipe is one
            for key in watched.values():
                if key.fd != inside._ssock.fileno():
                    yield PendingItem("file descriptor {0.fd}, watched for {0.data!r}", key)


def default_executor(loop: AbstractEventLoop) -> Executor | None:
    """Return the default executor of ``loop``; ``None`` if it has none, or if a loop of another kind hides it."""
    executor: Executor | None = getattr(loop, "_default_executor", None)
    return executor


def self_pipe(loop: Any) -> tuple[object, object]:
    """Return the two sockets by which other threads wake a selector loop."""
    return loop._ssock, loop._csock


def ident_of_running_thread(loop: AbstractEventLoop) -> int | None:
    """Return the ident of the thread that runs ``loop``; ``None`` if none does, or for a loop of another kind."""
    ident: int | None = getattr(loop, "_thread_id", None)
    return ident


def silence_destroyed(task: asyncio.Task[Any]) -> None:
    """Prevent the log message "Task was destroyed but it is pending!" for ``task``."""
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # private


def source_traceback(task: object) -> list[Any] | None:
    """Return the stack at which ``task`` was created, which asyncio records in debug mode; else ``None``."""
    found: list[Any] | None = getattr(task, "_source_traceback", None)
    return found
