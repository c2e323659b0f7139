"""A context is the process: all threads have the same loop."""

from __future__ import annotations

import os

from ctxpolicy._loops.lease import Binding
from ctxpolicy.resolvers.slot import SlotResolver

__all__ = ["ProcessResolver"]


class ProcessResolver(SlotResolver):
    """A context is the process: every thread, task and greenlet is handed the same loop.

    The program must ensure that only one thread runs the loop, and that other threads submit their work with
    ``asyncio.run_coroutine_threadsafe``.
    """

    any_thread = True

    def __init__(self) -> None:
        self._binding: Binding | None = None

    def load(self) -> Binding | None:
        """Return the binding of this process."""
        return self._binding

    def store(self, binding: Binding | None) -> None:
        """Keep ``binding`` for this process."""
        self._binding = binding

    def describe(self) -> str:
        """Return a name that has the id of the process."""
        return f"process {os.getpid()}"
