"""A context is a thread: what asyncio does."""

from __future__ import annotations

import threading

from ctxpolicy._loops.lease import Binding
from ctxpolicy._threads import thread_name
from ctxpolicy.resolvers.slot import SlotResolver

__all__ = ["ThreadResolver"]


class ThreadResolver(SlotResolver):
    """A context is a thread; a new one starts empty."""

    _one_thread = True

    def __init__(self) -> None:
        self._slot = _Slot()

    def load(self) -> Binding | None:
        """Return the binding of this thread."""
        return self._slot.binding

    def store(self, binding: Binding | None) -> None:
        """Keep ``binding`` to the end of this thread."""
        self._slot.binding = binding

    def describe(self) -> str:
        """Name the thread."""
        return f"thread {thread_name()}"


class _Slot(threading.local):
    binding: Binding | None = None
