"""The helper base class for most resolvers: say where the slot is, the rest is here."""

from __future__ import annotations

from abc import abstractmethod
from asyncio import AbstractEventLoop
from threading import get_ident
from typing import Any

from ctxpolicy._asyncio.capabilities import debug_mode
from ctxpolicy._asyncio.forked_loops import keep_alive
from ctxpolicy._callsite import describe_caller
from ctxpolicy._fork import process
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.lease import Binding, Lease
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["SlotResolver", "emptied"]


class SlotResolver(ContextResolver):
    """A resolver that keeps one binding a context in a slot.

    A subclass says where the slot of the present context is (:meth:`load`, :meth:`store`) and gets the owner check,
    forks and leases from here. When the slot of a context goes, a lease in it ends.

    Attributes:
        any_thread: hand a loop out in other threads than the one that bound it too.
        traced: record where each loop is bound (by default in asyncio's debug mode only: it takes time).
    """

    any_thread: bool = False
    traced: bool = debug_mode()

    @abstractmethod
    def load(self) -> Binding | None:
        """Return what was last stored in the slot of the present context, ``None`` where nothing was."""

    @abstractmethod
    def store(self, binding: Binding | None) -> None:
        """Put ``binding`` into the slot of the present context; ``None`` empties it."""

    def get(self) -> AbstractEventLoop | None:
        """Return the loop bound to the present context, if it may be used in this thread and process."""
        binding = self.load()
        if binding is None or binding.process != process.id or not (self.any_thread or binding.thread == get_ident()):
            return None
        return binding.loop

    def set(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop``; ``None`` unbinds what was bound by hand, and a lease that stands shows again."""
        replaced = self._replaced()
        lease, scope = (None, None) if replaced is None else (replaced.lease, replaced.scope)
        if lease is not None and not lease.stands():
            lease = None
        if loop is not None:
            self.store(Binding(loop, get_ident(), process.id, lease, describe_caller() if self.traced else None, scope))
        elif lease is not None:
            self.store(lease.binding(scope))
        else:
            self.store(Binding(None, 0, process.id, scope=scope))

    def binding(self) -> Binding | None:
        """Return the binding of the present context, one made in another thread included (which :meth:`get` hides)."""
        binding = self.load()
        if binding is None or binding.loop is None or binding.process != process.id:
            return None
        return binding

    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        """Lease a loop for the present context, or return the one that is bound; the lease ends with the slot."""
        loop = self.get()
        if loop is None:
            replaced = self._replaced()
            lease = Lease(self.describe())
            loop = lease.open(factory)
            self.store(lease.binding(None if replaced is None else replaced.scope))
        return loop

    def clear(self) -> None:
        """Empty the slot of the present context, but for an open scope, which is still to be left."""
        self.store(emptied(self._replaced()))

    def enter(self, lease: Lease) -> Any:
        """Bind the loop of ``lease`` for a scope; return the previous binding, that of another thread included."""
        previous = self._replaced()
        self.store(lease.binding(scope=lease))
        return previous

    def holds(self, lease: Lease, previous: Any) -> bool:
        """Tell whether ``lease`` is of this thread, and that of the innermost scope of the present context."""
        binding = self.load()
        return lease.thread == get_ident() and binding is not None and binding.scope is lease

    def leave(self, previous: Any) -> None:
        """Restore the previous binding."""
        self.store(previous)

    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Do what ``set_event_loop(loop)`` asks for; the slot itself knows of the lease and of the mark."""
        self.set(loop)

    def mark(self) -> None:
        """Note in the slot that a loop was set (or tried to be) in the present context."""
        if not self.marked():
            self._replaced()
            self.store(Binding(None, 0, process.id))

    def marked(self) -> bool:
        """Tell whether a loop was ever set in the present context, or in the one that it inherits from."""
        binding = self.load()
        return binding is not None and binding.process == process.id

    def _replaced(self) -> Binding | None:
        """Return the binding that is about to be replaced; keep it alive where it belongs to the parent process."""
        binding = self.load()
        if binding is not None and binding.process != process.id:
            keep_alive(binding)
            return None
        return binding


def emptied(binding: Binding | None) -> Binding | None:
    """Return what is left of ``binding`` where it is let go of: a scope that is open."""
    if binding is None or binding.scope is None:
        return None
    return Binding(None, 0, process.id, scope=binding.scope)
