"""The base class for most resolvers: the author says where the slot of a context is, and the class does the rest."""

from __future__ import annotations

from abc import abstractmethod
from asyncio import AbstractEventLoop
from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Any

from ctxpolicy._asyncio.capabilities import debug_mode
from ctxpolicy._asyncio.forked_loops import keep_alive
from ctxpolicy._callsite import describe_caller
from ctxpolicy._fork import process
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.lease import Binding, Lease
from ctxpolicy.resolvers._bindings import Bindings
from ctxpolicy.resolvers._shared_slot import SlotLocks, joined, of_this_thread, split
from ctxpolicy.resolvers.base import ContextResolver, setter_of

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["SlotBindings", "SlotResolver", "emptied"]


class SlotResolver(ContextResolver):
    """A resolver that keeps what is bound to a context in a slot.

    A subclass says where the slot of the present context is (:meth:`load`, :meth:`store`). This class sees to it that a
    loop is handed out only where it may be used, to forks, leases and scopes, and to several threads that are in one
    context at once. When the slot of a context is gone, a lease in it ends.

    To the subclass, what it loads and stores is an opaque value: it stores what it is given, and loads what it has
    stored.

    Attributes:
        any_thread: whether all threads that are in a context share one loop. ``False``: each of them has a loop of its
            own there.
        traced: whether to record where each loop is bound (by default in asyncio's debug mode only: it takes time).
    """

    any_thread: bool = False
    traced: bool = debug_mode()
    # Whether only one thread at a time can be in a context. Such a resolver needs no locks.
    _one_thread: bool = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:  # noqa: D102 - as ContextResolver's
        locks = SlotLocks()  # before the resolver: in a forked child they are renewed in this order
        resolver = super().__new__(cls, *args, **kwargs)
        resolver._locks = locks
        return resolver

    @abstractmethod
    def load(self) -> Binding | None:
        """Return what was last stored in the slot of the present context, ``None`` where nothing was."""

    @abstractmethod
    def store(self, binding: Binding | None) -> None:
        """Put ``binding`` into the slot of the present context; ``None`` empties the slot."""

    def get(self) -> AbstractEventLoop | None:
        """Return the loop that is bound to the present context, if it may be used in this thread and process."""
        binding = self.load()
        if binding is None or binding.process != process.id:
            return None
        if self.any_thread or binding.thread == get_ident():
            return binding.loop
        own = of_this_thread(binding)
        return None if own is None else own.loop

    def set(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop``; ``None`` unbinds the loop that was set, and a lease that has not ended is bound again."""
        if self._one_thread:
            value = self.load()
            if value is not None and value.process != process.id:
                value = self._replaced()
            self.store(self._set_over(value, loop))
            return
        with self._locks.change:
            # Kept alive until the lock is released, because the end of a lease may take long.
            value = self.load()
            if value is not None and value.process != process.id:
                value = self._replaced()
            if self.any_thread:
                self.store(self._set_over(value, loop))
            else:
                own, others = split(value)
                self.store(joined(self._set_over(own, loop), others))

    def binding(self) -> Binding | None:
        """Return the binding of the present context: this thread's, else the last one that another thread has made."""
        binding = self.load()
        if binding is None or binding.process != process.id:
            return None
        own = None if self.any_thread else of_this_thread(binding)
        if own is not None and own.loop is not None:
            return own
        return None if binding.loop is None else binding

    def setter(self, other: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return what calls :meth:`set` without a frame in between."""
        if self._overrides(SlotResolver, "bindings") and type(self.bindings).bind is not SlotBindings.bind:
            return super().setter(other)
        return setter_of(self.set, other)

    @property
    def bindings(self) -> Bindings:
        """Leases, scopes and whether a loop was ever set, all kept in the slot."""
        return self._reporting(SlotBindings(self)) if self._reports_changes else SlotBindings(self)

    def _change(self, change: Callable[[Binding | None], Binding | None]) -> Binding | None:
        """Replace this thread's binding in the slot of the present context by what ``change`` makes of it.

        Returns:
            the previous binding of this thread.
        """
        if self._one_thread:
            own = self._replaced()
            self.store(change(own))
            return own
        with self._locks.change:
            value = self._replaced()
            own, others = (value, {}) if self.any_thread else split(value)
            self.store(joined(change(own), others))
        return own

    def _shares_loop(self) -> bool:
        """Return whether other threads that are in the present context are handed the loop that is bound here."""
        return self.any_thread and not self._one_thread

    def _own(self) -> Binding | None:
        """Return this thread's binding in the slot."""
        value = self.load()
        return value if value is None or self._one_thread or self.any_thread else of_this_thread(value)

    def _set_over(self, replaced: Binding | None, loop: AbstractEventLoop | None) -> Binding:
        lease, scope = (None, None) if replaced is None else (replaced.lease, replaced.scope)
        if lease is not None and not lease.stands():
            lease = None
        if loop is not None:
            where = describe_caller() if self.traced else None
            # As Binding() does it, in half of the time.
            return tuple.__new__(Binding, (loop, get_ident(), process.id, lease, where, scope))
        return Binding(None, 0, process.id, scope=scope) if lease is None else lease.binding(scope)

    def _replaced(self) -> Binding | None:
        """Return the value that is about to be replaced; keep it alive where it belongs to the parent process."""
        binding = self.load()
        if binding is not None and binding.process != process.id:
            keep_alive(binding)
            return None
        return binding

    _locks: SlotLocks


class SlotBindings(Bindings):
    """The bindings of a resolver with slots."""

    __slots__ = ("_resolver",)

    def __init__(self, resolver: SlotResolver) -> None:
        self._resolver = resolver

    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Set ``loop``: the slot itself keeps the lease, and that a loop was set."""
        self._resolver.set(loop)

    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        """Lease a loop for the present context, or return the one that is bound; the lease ends with the slot."""
        resolver = self._resolver
        if resolver._shares_loop():
            with resolver._locks.lease:
                loop = resolver.get()
                return self._lease_shared(factory) if loop is None else loop
        loop = resolver.get()
        if loop is None:
            lease = Lease(resolver.describe())
            loop = lease.open(factory)
            resolver._change(lambda own: lease.binding(None if own is None else own.scope))
        return loop

    def _lease_shared(self, factory: LoopFactory) -> AbstractEventLoop:
        """Lease a loop, unless another thread has set one in the context while the loop was made."""
        lease = Lease(self._resolver.describe())
        loop = lease.open(factory)
        previous = self._resolver._change(
            lambda own: own if _has_loop(own) else lease.binding(None if own is None else own.scope)
        )
        if not _has_loop(previous):
            return loop
        lease.release()
        return previous.loop  # type: ignore[union-attr, return-value]  # it has one

    def clear(self) -> None:
        """Empty the slot, except for an open scope, which must still be left."""
        self._resolver._change(emptied)

    def enter_scope(self, lease: Lease) -> Any:
        """Bind the loop of ``lease`` for a scope; return the previous binding."""
        return self._resolver._change(lambda _: lease.binding(scope=lease))

    def is_innermost_scope(self, lease: Lease, token: Any) -> bool:
        """Return whether ``lease`` is of this thread, and that of the innermost scope in the slot."""
        if lease.thread != get_ident():
            return False
        own = self._resolver._own()
        return own is not None and own.scope is lease

    def leave_scope(self, token: Any) -> None:
        """Restore the previous binding."""
        self._resolver._change(lambda _: token)

    def note_set(self) -> None:
        """Note it in the slot."""
        if not self.was_set():
            self._resolver._change(lambda own: own or Binding(None, 0, process.id))

    def was_set(self) -> bool:
        """Return whether anything was ever stored in the slot, or in the slot of a context that it was copied from."""
        binding = self._resolver.load()
        return binding is not None and binding.process == process.id

    def is_thread_exclusive(self) -> bool:
        """Return whether other threads that are in the present context have bindings of their own."""
        return not self._resolver._shares_loop()


def _has_loop(binding: Binding | None) -> bool:
    return binding is not None and binding.loop is not None


def emptied(binding: Binding | None) -> Binding | None:
    """Return what remains of ``binding`` without its loop: an open scope."""
    if binding is None or binding.scope is None:
        return None
    return Binding(None, 0, process.id, scope=binding.scope)
