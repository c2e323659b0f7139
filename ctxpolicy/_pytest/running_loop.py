"""Unset for each test a running loop that a fixture leaves set in the thread of the tests (as sync Playwright does)."""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType
from typing import Any

from ctxpolicy._asyncio.running import (
    Running,
    restore_running_loop,
    running_loop,
    suspended_running_loop,
    unset_running_loop,
)

__all__ = ["RunningLoopGuard", "leave_current_task"]


def leave_current_task(loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any] | None:
    """Leave the current task of ``loop``, which does not run; return that task, ``None`` if there was none."""
    with suspended_running_loop():
        # From 3.14 on a task can be seen and left only while its loop is the running one.
        restore_running_loop((loop, None))
        _, task = unset_running_loop() or (loop, None)
    return task


class RunningLoopGuard:
    """Unsets the running loop of this thread, so that tests can run loops of their own.

    A running loop that another greenlet runs is kept with that greenlet from then on, to the end of the session: the
    fixture keeps working in every test. Any other running loop is set again at the end of the test.
    """

    def __init__(self) -> None:
        self._per_greenlet = False

    def __enter__(self) -> RunningLoopGuard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._per_greenlet:
            from ctxpolicy._asyncio import running_per_greenlet

            running_per_greenlet.stop()

    def unset(self) -> Running | None:
        """Unset the running loop of this thread; return the argument for :meth:`restore`."""
        if running_loop() is not None and "greenlet" in sys.modules and not self._per_greenlet:
            from ctxpolicy._asyncio import running_per_greenlet

            running_per_greenlet.start()
            self._per_greenlet = True
        return unset_running_loop()

    def restore(self, running: Running | None) -> None:
        """Set a running loop again, in place of the one that a test has left set."""
        unset_running_loop()
        restore_running_loop(running)
