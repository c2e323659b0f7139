"""What a policy does with the bindings of a resolver: leases, scopes, and whether a loop was ever set."""

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
    """The part of a resolver that its author does not write: ``resolver.bindings``.

    The base class has one that works for every ``get()`` and ``set()``, and :class:`~ctxpolicy.SlotResolver` has one
    that keeps everything in the slot. A resolver around another resolver passes on the other one's.

    Every method is called in the thread and context that it is about.

    Attributes:
        keeps_leases: whether a lease ends with its context. Where this is false, a lease ends at the next
            ``set_event_loop()`` in the context.
    """

    __slots__ = ()

    keeps_leases: bool = True

    @abstractmethod
    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Do what ``set_event_loop(loop)`` asks for: ``set()``, and what belongs to it."""

    @abstractmethod
    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        """Bind a loop that ctxpolicy makes for the present context, and have the loop closed at the end of the lease.

        Args:
            factory: makes the loop, in an empty contextvars context.

        Returns:
            the loop that is bound now: a new one, or the one that another thread has bound meanwhile.
        """

    @abstractmethod
    def clear(self) -> None:
        """Leave the present context without a loop: remove a loop that was set, and end a lease."""

    @abstractmethod
    def enter_scope(self, lease: Lease) -> Any:
        """Bind the loop of ``lease`` to the present context for a scope.

        Returns:
            a token, for the other two methods about scopes.
        """

    @abstractmethod
    def is_innermost_scope(self, lease: Lease, token: Any) -> bool:
        """Return whether the innermost open scope of the present context and thread is the scope of ``lease``.

        Args:
            lease: what :meth:`enter_scope` was called with.
            token: what :meth:`enter_scope` returned, for this resolver or for another one.
        """

    @abstractmethod
    def leave_scope(self, token: Any) -> None:
        """Restore the binding that was replaced when the scope of ``token`` was entered."""

    @abstractmethod
    def note_set(self) -> None:
        """Note that a loop was set in the present context, or that this was tried: asyncio's ``_set_called``."""

    @abstractmethod
    def was_set(self) -> bool:
        """Return whether a loop was ever set in the present context, or :meth:`note_set` was called in it."""

    @abstractmethod
    def is_thread_exclusive(self) -> bool:
        """Return whether no other thread is in the present context, or is handed the loop that is bound here.

        ``isolate()`` binds the loop of a call only where this is true: two calls that bind a loop in the same context,
        and end in another order than they began in, would leave a closed loop bound.
        """


class WrappedBindings(Bindings):
    """Passes everything on to other bindings; a subclass overrides what it does in another way.

    Args:
        inner: the other bindings.
    """

    __slots__ = ("inner", "keeps_leases")

    def __init__(self, inner: Bindings) -> None:
        self.inner = inner
        self.keeps_leases: bool = inner.keeps_leases

    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Pass it on."""
        self.inner.bind(loop)

    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        """Pass it on."""
        return self.inner.lease(factory)

    def clear(self) -> None:
        """Pass it on."""
        self.inner.clear()

    def enter_scope(self, lease: Lease) -> Any:
        """Pass it on."""
        return self.inner.enter_scope(lease)

    def is_innermost_scope(self, lease: Lease, token: Any) -> bool:
        """Pass it on."""
        return self.inner.is_innermost_scope(lease, token)

    def leave_scope(self, token: Any) -> None:
        """Pass it on."""
        self.inner.leave_scope(token)

    def note_set(self) -> None:
        """Pass it on."""
        self.inner.note_set()

    def was_set(self) -> bool:
        """Pass it on."""
        return self.inner.was_set()

    def is_thread_exclusive(self) -> bool:
        """Pass it on."""
        return self.inner.is_thread_exclusive()


class _GetAndSet(Protocol):
    def get(self) -> AbstractEventLoop | None: ...
    def set(self, loop: AbstractEventLoop | None) -> None: ...
    def describe(self) -> str: ...


class ThreadState(threading.local):
    """What a resolver keeps for each thread.

    Attributes:
        was_set: asyncio's ``_set_called``, for a resolver that cannot keep it with its contexts.
        leases: the leases of a resolver that cannot keep them with its contexts, by their loops.
    """

    was_set = False

    def __init__(self) -> None:
        self.leases: dict[AbstractEventLoop, Lease] = {}


@final
class PlainBindings(Bindings):
    """The bindings of a resolver of which nothing is known but ``get()`` and ``set()``.

    Such a resolver is not told when a context ends. Therefore leases and "was ever set" are kept per thread.
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
        """Unset what is bound, and end its lease."""
        self.bind(None)

    def enter_scope(self, lease: Lease) -> _PlainScope:
        """Set the loop of ``lease``."""
        token = _PlainScope(self._resolver, self._resolver.get())
        self._resolver.set(lease.loop)
        return token

    def is_innermost_scope(self, lease: Lease, token: Any) -> bool:
        """Return whether the loop of ``lease`` is bound here, or nothing is: asyncio.run() ends with set(None)."""
        if lease.thread != get_ident() or not isinstance(token, _PlainScope) or token.resolver is not self._resolver:
            return False
        return self._resolver.get() in (lease.loop, None)

    def leave_scope(self, token: _PlainScope) -> None:
        """Set the previous loop."""
        self._resolver.set(token.previous)

    def note_set(self) -> None:
        """Note it for the present thread."""
        self._state.was_set = True

    def was_set(self) -> bool:
        """Return what is noted for the present thread."""
        return self._state.was_set

    def is_thread_exclusive(self) -> bool:
        """Return whether nothing is bound here.

        ``isolate()`` asks in a thread in which nothing was bound: a loop that is found there is another thread's.
        """
        return self._resolver.get() is None

    def _end_lease_of_bound_loop(self) -> None:
        leases = self._state.leases
        if not leases:
            return
        lease = leases.pop(self._resolver.get(), None)  # type: ignore[arg-type]  # None is no key of this dict
        if lease is not None and lease.loop is not None and not lease.loop.is_running():
            lease.release()


@final
class _PlainScope:
    __slots__ = ("previous", "resolver")

    def __init__(self, resolver: _GetAndSet, previous: AbstractEventLoop | None) -> None:
        self.resolver = resolver
        self.previous = previous
