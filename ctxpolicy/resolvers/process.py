"""A context is the process: one loop for all."""

from __future__ import annotations

import os
import threading
from asyncio import AbstractEventLoop

from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.lease import Binding
from ctxpolicy.resolvers.slot import SlotResolver

__all__ = ["ProcessResolver"]


class ProcessResolver(SlotResolver):
    """A context is the process: every thread, task and greenlet is handed the same loop.

    Whoever asks for this sees to it that only one thread runs the loop, and that the others go through
    ``asyncio.run_coroutine_threadsafe``.
    """

    any_thread = True

    def __init__(self) -> None:
        self._binding: Binding | None = None
        self._lock = threading.RLock()

    def load(self) -> Binding | None:
        """Return the binding of this process."""
        return self._binding

    def store(self, binding: Binding | None) -> None:
        """Keep ``binding`` for this process."""
        self._binding = binding

    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        """Lease one loop for the process, whichever thread is first to need it."""
        with self._lock:
            return super().lease(factory)

    def private(self) -> bool:
        """Say no: all threads have this context."""
        return False

    def describe(self) -> str:
        """Name the process."""
        return f"process {os.getpid()}"

    def after_fork(self) -> None:
        """Take a new lock: another thread of the parent may have held the old one."""
        self._lock = threading.RLock()
