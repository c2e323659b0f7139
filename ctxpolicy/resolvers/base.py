"""The contract of a resolver: what says what a context is."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from asyncio import AbstractEventLoop
from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Any, ClassVar

from ctxpolicy._asyncio.capabilities import platform_loop
from ctxpolicy._fork import RESOLVER, renew_after_fork
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.lease import Binding, Lease
from ctxpolicy._threads import thread_and_context, thread_name
from ctxpolicy.errors import ResolverError

if TYPE_CHECKING:
    from typing_extensions import Self


__all__ = ["ContextResolver"]


class ContextResolver(ABC):
    """The strategy that a policy delegates to: it says what a context is, and keeps the loop bound to each.

    A subclass writes :meth:`get` and :meth:`set`; all else has a default. It need not call ``super().__init__()``.
    Every method is called in the thread and context that it is about, by many threads at once.

    Attributes:
        contract: the version of the contract that a resolver was written for.
        loop_factory: makes this resolver's loops; ``None`` leaves that to the policy, and to asyncio.
    """

    contract: ClassVar[int] = 1
    loop_factory: ClassVar[LoopFactory | None] = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:  # noqa: D102 - what the subclass is made of, it says
        if (args or kwargs) and cls.__init__ is object.__init__:  # as object itself refuses what nobody takes
            raise TypeError(f"{cls.__name__}() takes no arguments")
        resolver = super().__new__(cls)
        # Here and not in __init__, which a subclass need not call.
        renew_after_fork(resolver, RESOLVER)
        resolver._held = _Held()
        return resolver

    @abstractmethod
    def get(self) -> AbstractEventLoop | None:
        """Return the loop bound to the present context, ``None`` where there is none; never make one."""

    @abstractmethod
    def set(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop`` to the present context; ``None`` unbinds what was bound."""

    def new(self) -> AbstractEventLoop:
        """Return a new loop, not bound to anything."""
        return (self._own_factory() or platform_loop)()

    def factory(self) -> LoopFactory | None:
        """Return what makes this resolver's loops in the present context, ``None`` to leave that to the policy.

        A resolver around another one passes the call on, so that the policy's own kind of loop is not lost on the way.
        Where this method is not overridden and returns ``None`` when a policy is made, that one asks no more.
        """
        if type(self).new is not ContextResolver.new:
            return self.new
        return self._own_factory()

    def getter(self, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
        """Return what the policy binds as its ``get_event_loop``.

        Override it for speed: one closure over your store makes a hit cost one Python frame.

        Args:
            miss: to be called where no loop is bound; what it returns is to be returned.
        """
        get = self.get

        def get_event_loop() -> AbstractEventLoop:
            try:
                loop = get()
            except ResolverError:
                raise
            except Exception as error:
                raise self._broken(f"get() raised {error!r}", "return None where no loop is bound") from error
            if loop is None:
                return miss()
            if isinstance(loop, AbstractEventLoop):
                return loop
            raise self._broken(f"get() returned {loop!r}", "return an event loop, or None")

        return get_event_loop

    def setter(self, other: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return what the policy binds as its ``set_event_loop``, for speed as :meth:`getter` is.

        Args:
            other: to be called with whatever is not an event loop; with ``None`` too, unless this unbinds by itself.
        """
        bind = self.bind

        def set_event_loop(loop: Any) -> None:
            if isinstance(loop, AbstractEventLoop):
                bind(loop)
            else:
                other(loop)

        return set_event_loop

    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Do what ``set_event_loop(loop)`` asks for: :meth:`set`, and what belongs to it."""
        self.mark()
        self._held.release(self)
        self.set(loop)

    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        """Bind a loop that ctxpolicy made for the present context, and see that it is closed.

        A plain resolver is told nothing of the end of its contexts: here the lease ends at the next
        ``set_event_loop()`` in the context, or at interpreter exit. With a
        :class:`~ctxpolicy.resolvers.slot.SlotResolver` it ends with its context.

        Args:
            factory: makes the loop, in an empty contextvars context.

        Returns:
            the loop.
        """
        lease = Lease(self.describe())
        loop = lease.open(factory)
        self.set(loop)
        self._held.add(lease)
        return loop

    def clear(self) -> None:
        """Leave the present context without a loop: what was bound by hand and a lease end here."""
        self.bind(None)

    def enter(self, lease: Lease) -> Any:
        """Bind the loop of ``lease`` to the present context for a scope.

        Returns:
            what :meth:`leave` needs to restore the previous binding.
        """
        previous = self.get()
        self.set(lease.loop)
        return previous

    def holds(self, lease: Lease, previous: Any) -> bool:
        """Tell whether the innermost scope of the present context and thread is that of ``lease``.

        Args:
            lease: was given to :meth:`enter`.
            previous: what that returned.
        """
        return lease.thread == get_ident() and self.get() in (lease.loop, None)  # asyncio.run() ends with None

    def leave(self, previous: Any) -> None:
        """Restore what was bound before :meth:`enter`."""
        self.set(previous)

    def binding(self) -> Binding | None:
        """Return the binding of the present context, those of other threads included; ``None`` where unknown."""
        return None

    def mark(self) -> None:
        """Note that a loop was set (or tried to be) in the present context: asyncio's ``_set_called``."""
        self._held.marked = True

    def marked(self) -> bool:
        """Tell whether :meth:`mark` was called in the present context (here: in the present thread)."""
        return self._held.marked

    def applies(self) -> bool:
        """Tell whether this resolver's kind of context is present here."""
        return True

    def private(self) -> bool:
        """Tell whether no other thread has the present context, so that :func:`isolate` may bind a loop of its own."""
        return True

    def describe(self) -> str:
        """Name the present context, for messages."""
        return f"the context that {type(self).__name__} finds in thread {thread_name()}"

    def after_fork(self) -> None:
        """Forget what belongs to the parent; called in a forked child."""

    def installed(self) -> None:
        """Take note that a policy with this resolver comes into force."""

    def uninstalled(self) -> None:
        """Take note that a policy with this resolver goes out of force."""

    def _overrides(self, base: type, *names: str) -> bool:
        """Tell whether a subclass of ``base``, or this very object, has methods of its own by these names."""
        return any(name in vars(self) or getattr(type(self), name) is not getattr(base, name) for name in names)

    def _own_factory(self) -> LoopFactory | None:
        # Not self.loop_factory: a plain function in the class would become a bound method.
        found: LoopFactory | None = vars(self).get("loop_factory") or type(self).loop_factory  # pyright: ignore[reportAttributeAccessIssue]
        return found

    def _broken(self, what: str, fix: str) -> ResolverError:
        return ResolverError(
            f"resolver {type(self).__name__}: {what}, {thread_and_context(self)}. Fix the resolver: it must {fix}."
        )

    _held: _Held


class _Held(threading.local):
    """Per thread: the leases of a resolver that cannot keep them with its contexts, and asyncio's ``_set_called``."""

    marked = False

    def __init__(self) -> None:
        self.leases: dict[AbstractEventLoop, Lease] = {}

    def add(self, lease: Lease) -> None:
        assert lease.loop is not None
        self.leases[lease.loop] = lease

    def release(self, resolver: ContextResolver) -> None:
        """End the lease of the loop that is bound in the present context, if it is one of these."""
        if self.leases:
            lease = self.leases.pop(resolver.get(), None)  # type: ignore[arg-type]  # None is in no dict of loops
            if lease is not None and lease.loop is not None and not lease.loop.is_running():
                lease.release()
