"""The running loop and the current task of a thread, and how another loop can run in the thread meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from asyncio import AbstractEventLoop, events, tasks
from collections.abc import Iterator
from typing import Any

from ctxpolicy._threads import is_main_thread

__all__ = [
    "Running",
    "current_task",
    "restore_running_loop",
    "running_loop",
    "suspended_running_loop",
    "unset_running_loop",
]


def current_task() -> asyncio.Task[Any] | None:
    """Return the current task of this thread, ``None`` outside any task."""
    loop = running_loop()
    return None if loop is None else tasks.current_task(loop)


def running_loop() -> AbstractEventLoop | None:
    """Return the running loop of this thread, ``None`` if no loop runs."""
    return events._get_running_loop()


# The running loop and the current task, as unset_running_loop() returns them.
Running = tuple[AbstractEventLoop, "asyncio.Task[Any] | None"]


def unset_running_loop() -> Running | None:
    """Unset the running loop and the current task of this thread, even while a loop runs in it.

    Returns:
        the argument for :func:`restore_running_loop`.
    """
    loop = running_loop()
    if loop is None:
        return None
    task = tasks.current_task(loop)
    # The task is left first: from 3.14 on it belongs to the thread, and can be left only while its loop is set.
    if task is not None:
        tasks._leave_task(loop, task)
    events._set_running_loop(None)
    return loop, task


def restore_running_loop(state: Running | None) -> None:
    """Undo :func:`unset_running_loop`.

    Args:
        state: the return value of that call.
    """
    if state is not None:
        loop, task = state
        events._set_running_loop(loop)
        if task is not None:
            tasks._enter_task(loop, task)


@contextlib.contextmanager
def suspended_running_loop() -> Iterator[None]:
    """Unset the running loop and the current task for the block, so that another loop can run in this thread."""
    wakeup_fd = _wakeup_fd()
    state = unset_running_loop()
    try:
        yield
    finally:
        restore_running_loop(state)
        if wakeup_fd != _wakeup_fd():
            signal.set_wakeup_fd(wakeup_fd, warn_on_full_buffer=False)  # a uvloop removes it when it stops


def _wakeup_fd() -> int:
    """Return the wakeup file descriptor for signals; -1 if there is none, and outside the main thread."""
    if not is_main_thread():
        return -1
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    return fd
