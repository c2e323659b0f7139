"""The running loop and the current task of a thread, and how both are put aside for another loop."""

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
    """Return the task that runs in this thread, ``None`` outside any."""
    loop = running_loop()
    return None if loop is None else tasks.current_task(loop)


def running_loop() -> AbstractEventLoop | None:
    """Return the loop that runs in this thread, ``None`` where none does."""
    return events._get_running_loop()


# What unset_running_loop() takes off.
Running = tuple[AbstractEventLoop, "asyncio.Task[Any] | None"]


def unset_running_loop() -> Running | None:
    """Make this thread look as if no loop ran in it; return what :func:`restore_running_loop` needs to undo that."""
    loop = running_loop()
    if loop is None:
        return None
    task = tasks.current_task(loop)
    # In this order: from 3.14 on the current task belongs to the thread, and is left only while its loop runs.
    if task is not None:
        tasks._leave_task(loop, task)
    events._set_running_loop(None)
    return loop, task


def restore_running_loop(state: Running | None) -> None:
    """Undo :func:`unset_running_loop`."""
    if state is not None:
        loop, task = state
        events._set_running_loop(loop)
        if task is not None:
            tasks._enter_task(loop, task)


@contextlib.contextmanager
def suspended_running_loop() -> Iterator[None]:
    """Let another loop run in this thread for the block: the running loop and its task are left, and entered again."""
    wakeup_fd = _wakeup_fd()
    state = unset_running_loop()
    try:
        yield
    finally:
        restore_running_loop(state)
        if wakeup_fd != _wakeup_fd():
            signal.set_wakeup_fd(wakeup_fd, warn_on_full_buffer=False)  # a uvloop takes it away at its end


def _wakeup_fd() -> int:
    """Return the file descriptor that signals are written to, -1 for none and where it cannot be asked for."""
    if not is_main_thread():
        return -1
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    return fd
