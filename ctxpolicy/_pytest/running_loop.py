"""A running marker that a fixture has left set, as sync Playwright does: put aside while tests run."""

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

__all__ = ["PutAside", "leave_task"]


def leave_task(loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any] | None:
    """Have ``loop``, which is not running, be in no task; return the one that it was left in."""
    with suspended_running_loop():
        restore_running_loop((loop, None))  # from 3.14 on a task is known, and left, only while its loop runs
        _, task = unset_running_loop() or (loop, None)
    return task


class PutAside:
    """Takes running markers off this thread, so that tests may run loops of their own.

    A marker whose loop runs in another greenlet is kept with that greenlet from then on, to the end of the session: the
    fixture works on, in every test. Any other is put back at the end of the test.
    """

    def __init__(self) -> None:
        self._per_greenlet = False

    def __enter__(self) -> PutAside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._per_greenlet:
            from ctxpolicy._asyncio import running_per_greenlet

            running_per_greenlet.stop()

    def take(self) -> Running | None:
        """Take off the marker that stands in this thread; return it, where it is to be put :meth:`back`."""
        if running_loop() is not None and "greenlet" in sys.modules and not self._per_greenlet:
            from ctxpolicy._asyncio import running_per_greenlet

            running_per_greenlet.start()
            self._per_greenlet = True
        return unset_running_loop()

    def back(self, marker: Running | None) -> None:
        """Put a marker back, in place of any that a test has left of a fixture's loop."""
        unset_running_loop()
        restore_running_loop(marker)
