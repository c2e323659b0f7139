"""The base class of most resolvers: a subclass defines where the slot of a context is, and this class does the rest."""

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
    """A resolver that keeps the binding of each context in a slot.

    A subclass defines only where the slot of the present context is, with :meth:`load` and :meth:`store`. This class
    hands a loop out only in threads and processes that may use it. It also handles forks, leases, scopes, and several
    threads that are in one context at once. A lease ends when its slot is garbage-collected.

    The value in a slot is opaque to the subclass: ``store()`` keeps the value that it is given, and ``load()`` returns
    the value that was stored last.

    Attributes:
        any_thread: whether all threads that are in a context share one loop. ``False``: each thread has a loop of its
            own there.
        traced: whether to record the place in the code that binds a loop. It takes time, and is therefore the default
            in asyncio's debug mode only.
    """

    any_thread: bool = False
    traced: bool = debug_mode()
    # Whether only one thread at a time can be in a context. Such a resolver needs no locks.
    _one_thread: bool = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:  # noqa: D102 - as ContextResolver's
        locks = SlotLocks()  # created before the resolver, because a forked child renews objects in creation order
        resolver = super().__new__(cls, *args, **kwargs)
        resolver._locks = locks
        return resolver

    @abstractmethod
    def load(self) -> Binding | None:
        """Return the value that was stored last in the slot of the present context, ``None`` if the slot is empty.

        Called in the thread and the context that need the slot. :meth:`get` calls this method without a lock.
        """

    @abstractmethod
    def store(self, binding: Binding | None) -> None:
        """Store ``binding`` in the slot of the present context.

        Called in the thread and the context that need the slot. If several threads can be in one context at once, the
        caller holds a lock of the resolver.

        Args:
            binding: the value to store; ``None`` empties the slot.
        """

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
        """Bind ``loop``; ``None`` unbinds the loop that was set, and rebinds the leased loop if its lease is open."""
        if self._one_thread:
            value = self.load()
            if value is not None and value.process != process.id:
                value = self._replaced()
            self.store(self._set_over(value, loop))
            return
        with self._locks.change:
            # This variable keeps the old binding alive until the lock is released: the end of a lease may take long.
            value = self.load()
            if value is not None and value.process != process.id:
                value = self._replaced()
            if self.any_thread:
                self.store(self._set_over(value, loop))
            else:
                own, others = split(value)
                self.store(joined(self._set_over(own, loop), others))

    def binding(self) -> Binding | None:
        """Return this thread's binding in the present context, else the last binding that another thread has made."""
        binding = self.load()
        if binding is None or binding.process != process.id:
            return None
        own = None if self.any_thread else of_this_thread(binding)
        if own is not None and own.loop is not None:
            return own
        return None if binding.loop is None else binding

    def setter(self, other: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return a function that calls :meth:`set` without a frame in between."""
        if self._overrides(SlotResolver, "bindings") and type(self.bindings).bind is not SlotBindings.bind:
            return super().setter(other)
        return setter_of(self.set, other)

    @property
    def bindings(self) -> Bindings:
        """The operations on leases, scopes, and the fact that a loop was set; all of these are kept in the slot."""
        return self._reporting(SlotBindings(self)) if self._reports_changes else SlotBindings(self)

    def _change(self, change: Callable[[Binding | None], Binding | None]) -> Binding | None:
        """Replace this thread's binding in the slot of the present context with ``change(binding)``.

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
        """Return whether all threads that are in the present context share the loop that is bound here."""
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
            # The same as Binding(...), in half of the time.
            return tuple.__new__(Binding, (loop, get_ident(), process.id, lease, where, scope))
        return Binding(None, 0, process.id, scope=scope) if lease is None else lease.binding(scope)

    def _replaced(self) -> Binding | None:
        """Return the value to replace; if it belongs to the parent process, keep it alive and return ``None``."""
        binding = self.load()
        if binding is not None and binding.process != process.id:
            keep_alive(binding)
            return None
        return binding

    _locks: SlotLocks


class SlotBindings(Bindings):
    """The operations on the bindings of a resolver with slots."""

    __slots__ = ("_resolver",)

    def __init__(self, resolver: SlotResolver) -> None:
        self._resolver = resolver

    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Set ``loop``. The slot keeps the lease, and also records that a loop was set."""
        self._resolver.set(loop)

    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        """Lease a loop for the present context, or return the loop that is bound. The lease ends with the slot."""
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
        """Lease a loop; return another thread's loop instead if that thread bound it while this one was being made."""
        lease = Lease(self._resolver.describe())
        loop = lease.open(factory)
        previous = self._resolver._change(
            lambda own: own if _has_loop(own) else lease.binding(None if own is None else own.scope)
        )
        if not _has_loop(previous):
            return loop
        lease.release()
        return previous.loop  # type: ignore[union-attr, return-value]  # _has_loop() is true

    def clear(self) -> None:
        """Empty the slot, but keep an open scope, which must still be left."""
        self._resolver._change(emptied)

    def enter_scope(self, lease: Lease) -> Any:
        """Bind the loop of ``lease`` for a scope; return the previous binding."""
        return self._resolver._change(lambda _: lease.binding(scope=lease))

    def is_innermost_scope(self, lease: Lease, token: Any) -> bool:
        """Return whether this thread owns ``lease``, and the innermost scope in the slot is the scope of ``lease``."""
        if lease.thread != get_ident():
            return False
        own = self._resolver._own()
        return own is not None and own.scope is lease

    def leave_scope(self, token: Any) -> None:
        """Restore the previous binding."""
        self._resolver._change(lambda _: token)

    def note_set(self) -> None:
        """Record in the slot that a loop was set, or that this was tried."""
        if not self.was_set():
            self._resolver._change(lambda own: own or Binding(None, 0, process.id))

    def was_set(self) -> bool:
        """Return whether a value was ever stored in the slot, or in a slot from which it was copied."""
        binding = self._resolver.load()
        return binding is not None and binding.process == process.id

    def is_thread_exclusive(self) -> bool:
        """Return whether other threads in the present context, if any, have bindings of their own."""
        return not self._resolver._shares_loop()


def _has_loop(binding: Binding | None) -> bool:
    return binding is not None and binding.loop is not None


def emptied(binding: Binding | None) -> Binding | None:
    """Return ``binding`` without its loop: a binding that holds only the open scope, ``None`` if no scope is open."""
    if binding is None or binding.scope is None:
        return None
    return Binding(None, 0, process.id, scope=binding.scope)
