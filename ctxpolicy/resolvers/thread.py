"""A context is a thread, as in asyncio itself."""

from __future__ import annotations

import threading

from ctxpolicy._loops.lease import Binding
from ctxpolicy._threads import thread_name
from ctxpolicy.resolvers.slot import SlotResolver

__all__ = ["ThreadResolver"]


class ThreadResolver(SlotResolver):
    """A context is a thread; a new thread starts without a loop."""

    _one_thread = True

    def __init__(self) -> None:
        self._slot = _Slot()

    def load(self) -> Binding | None:
        """Return the binding of this thread."""
        return self._slot.binding

    def store(self, binding: Binding | None) -> None:
        """Keep ``binding`` until this thread ends."""
        self._slot.binding = binding

    def describe(self) -> str:
        """Return a name that has the name of the thread."""
        return f"thread {thread_name()}"


class _Slot(threading.local):
    binding: Binding | None = None
