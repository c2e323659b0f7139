"""The operations of a policy on the bindings of a resolver: leases, scopes, and whether a loop was ever set."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from asyncio import AbstractEventLoop
from threading import get_ident
from typing import Any, Protocol, final

from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.lease import Lease

__all__ = ["Bindings", "PlainBindings", "ThreadState", "WrappedBindings"]


class Bindings(ABC):
    """The operations on the bindings of a resolver: ``resolver.bindings``. Authors of resolvers need not write them.

    The bindings of ``ContextResolver`` work with every ``get()`` and ``set()``. The bindings of
    :class:`~ctxpolicy.SlotResolver` keep everything in the slot. A resolver around another resolver passes on the
    bindings of the other resolver.

    Every method is called in the thread and the context that it refers to.

    Attributes:
        keeps_leases: whether a lease ends with its context. ``False``: a lease ends at the next ``set_event_loop()`` in
            the context.
    """

    __slots__ = ()

    keeps_leases: bool = True

    @abstractmethod
    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop`` for ``set_event_loop(loop)``; ``None`` unbinds the loop that was set.

        This calls ``set()``, and records that a loop was set. If leases do not end with their contexts, it also ends
        the lease of the previous loop.
        """

    @abstractmethod
    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        """Make a loop and bind it to the present context. The loop is closed when its lease ends.

        Args:
            factory: the factory of the loop, which is called in an empty contextvars context.

        Returns:
            the loop that is bound now: the new loop, or a loop that another thread has bound meanwhile.
        """

    @abstractmethod
    def clear(self) -> None:
        """Remove every loop from the present context: unbind a loop that was set, and end a lease."""

    @abstractmethod
    def enter_scope(self, lease: Lease) -> Any:
        """Bind the loop of ``lease`` to the present context for a scope.

        Returns:
            a token, which the other two methods for scopes take.
        """

    @abstractmethod
    def is_innermost_scope(self, lease: Lease, token: Any) -> bool:
        """Return whether the innermost open scope of the present context and thread is the scope of ``lease``.

        Args:
            lease: the argument of :meth:`enter_scope`.
            token: the result of :meth:`enter_scope`, possibly of another resolver's bindings.
        """

    @abstractmethod
    def leave_scope(self, token: Any) -> None:
        """Restore the binding that was replaced when the scope of ``token`` was entered."""

    @abstractmethod
    def note_set(self) -> None:
        """Record that a loop was set in the present context, or that this was tried (asyncio's ``_set_called``)."""

    @abstractmethod
    def was_set(self) -> bool:
        """Return whether a loop was ever set in the present context, or :meth:`note_set` was called in it."""

    @abstractmethod
    def is_thread_exclusive(self) -> bool:
        """Return whether a loop that is bound here is handed out in this thread only.

        ``isolate()`` binds the loop of a call only if this is true. Otherwise two calls that bind loops in one context
        and do not end in reverse order would leave a closed loop bound.
        """


class WrappedBindings(Bindings):
    """Passes every call on to other bindings. A subclass overrides single operations.

    Args:
        inner: the other bindings.
    """

    __slots__ = ("inner", "keeps_leases")

    def __init__(self, inner: Bindings) -> None:
        self.inner = inner
        self.keeps_leases: bool = inner.keeps_leases

    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Pass the call on."""
        self.inner.bind(loop)

    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        """Pass the call on."""
        return self.inner.lease(factory)

    def clear(self) -> None:
        """Pass the call on."""
        self.inner.clear()

    def enter_scope(self, lease: Lease) -> Any:
        """Pass the call on."""
        return self.inner.enter_scope(lease)

    def is_innermost_scope(self, lease: Lease, token: Any) -> bool:
        """Pass the call on."""
        return self.inner.is_innermost_scope(lease, token)

    def leave_scope(self, token: Any) -> None:
        """Pass the call on."""
        self.inner.leave_scope(token)

    def note_set(self) -> None:
        """Pass the call on."""
        self.inner.note_set()

    def was_set(self) -> bool:
        """Pass the call on."""
        return self.inner.was_set()

    def is_thread_exclusive(self) -> bool:
        """Pass the call on."""
        return self.inner.is_thread_exclusive()


class _GetAndSet(Protocol):
    def get(self) -> AbstractEventLoop | None: ...
    def set(self, loop: AbstractEventLoop | None) -> None: ...
    def describe(self) -> str: ...


class ThreadState(threading.local):
    """The state of a resolver that is kept per thread, because the resolver cannot keep it with its contexts.

    Attributes:
        was_set: whether a loop was ever set in this thread (asyncio's ``_set_called``).
        leases: the leases of this thread, by their loops.
    """

    was_set = False

    def __init__(self) -> None:
        self.leases: dict[AbstractEventLoop, Lease] = {}


@final
class PlainBindings(Bindings):
    """The operations on the bindings of any resolver, which use only its ``get()`` and ``set()``.

    The end of a context is not known here. Therefore the leases, and whether a loop was ever set, are kept per thread.
    """

    __slots__ = ("_resolver", "_state")

    keeps_leases = False

    def __init__(self, resolver: _GetAndSet, state: ThreadState) -> None:
        self._resolver = resolver
        self._state = state

    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Set ``loop``, and end the lease of the loop that was bound before."""
        self._state.was_set = True
        self._end_lease_of_bound_loop()
        self._resolver.set(loop)

    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        """Set a new loop. Its lease ends at the next :meth:`bind` in the context, with the thread, or at exit."""
        lease = Lease(self._resolver.describe())
        loop = lease.open(factory)
        self._resolver.set(loop)
        self._state.leases[loop] = lease
        return loop

    def clear(self) -> None:
        """Unbind the loop, and end its lease."""
        self.bind(None)

    def enter_scope(self, lease: Lease) -> _PlainScope:
        """Set the loop of ``lease``."""
        token = _PlainScope(self._resolver, self._resolver.get())
        self._resolver.set(lease.loop)
        return token

    def is_innermost_scope(self, lease: Lease, token: Any) -> bool:
        """Return whether the loop of ``lease`` is bound here, or no loop is: ``asyncio.run()`` unbinds at its end."""
        if lease.thread != get_ident() or not isinstance(token, _PlainScope) or token.resolver is not self._resolver:
            return False
        return self._resolver.get() in (lease.loop, None)

    def leave_scope(self, token: _PlainScope) -> None:
        """Set the previous loop."""
        self._resolver.set(token.previous)

    def note_set(self) -> None:
        """Record for the present thread that a loop was set, or that this was tried."""
        self._state.was_set = True

    def was_set(self) -> bool:
        """Return whether a loop was ever set in the present thread, or :meth:`note_set` was called in it."""
        return self._state.was_set

    def is_thread_exclusive(self) -> bool:
        """Return whether no loop is bound here.

        ``isolate()`` calls this in a thread in which no loop was bound. A loop that is found there is bound by another
        thread.
        """
        return self._resolver.get() is None

    def _end_lease_of_bound_loop(self) -> None:
        leases = self._state.leases
        if not leases:
            return
        lease = leases.pop(self._resolver.get(), None)  # type: ignore[arg-type]  # None is never a key
        if lease is not None and lease.loop is not None and not lease.loop.is_running():
            lease.release()


@final
class _PlainScope:
    __slots__ = ("previous", "resolver")

    def __init__(self, resolver: _GetAndSet, previous: AbstractEventLoop | None) -> None:
        self.resolver = resolver
        self.previous = previous
