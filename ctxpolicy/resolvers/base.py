"""The contract of a resolver, which says what a context is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ctxpolicy._asyncio.capabilities import platform_loop
from ctxpolicy._fork import RESOLVER, renew_after_fork
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.lease import Binding
from ctxpolicy._threads import thread_and_context, thread_name
from ctxpolicy.errors import ResolverError
from ctxpolicy.resolvers._bindings import Bindings, PlainBindings, ThreadState
from ctxpolicy.resolvers._changes import ReportedBindings, reported_set, reported_setter

if TYPE_CHECKING:
    from typing_extensions import Self


__all__ = ["ContextResolver", "factory_of", "may_have_factory", "setter_of"]


class ContextResolver(ABC):
    """The strategy that a policy delegates to: it says what a context is, and keeps the loop that is bound to each.

    A subclass writes :meth:`get` and :meth:`set`; everything else has a default. A subclass need not call
    ``super().__init__()``. Every method is called in the thread and context that it is about, by many threads at once.

    Attributes:
        contract: the version of the contract that a resolver was written for.
        loop_factory: makes this resolver's loops; ``None`` leaves that to the policy, and to asyncio.
    """

    contract: ClassVar[int] = 1
    loop_factory: ClassVar[LoopFactory | None] = None
    _reports_changes: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Decided when the class is made: a resolver that does not override the hook pays nothing for it.
        cls._reports_changes = cls.binding_changed is not ContextResolver.binding_changed
        if cls._reports_changes:
            if not hasattr(cls.set, "reports"):
                cls.set = reported_set(cls.set)  # type: ignore[method-assign]
            if not hasattr(cls.setter, "reports"):
                cls.setter = reported_setter(cls.setter)  # type: ignore[method-assign]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:  # noqa: D102 - the subclass documents its own arguments
        if (args or kwargs) and cls.__init__ is object.__init__:  # object itself refuses arguments likewise
            raise TypeError(f"{cls.__name__}() takes no arguments")
        resolver = super().__new__(cls)
        # Here and not in __init__, which a subclass need not call.
        renew_after_fork(resolver, RESOLVER)
        resolver._thread_state = ThreadState()
        return resolver

    # --- what every resolver writes ---

    @abstractmethod
    def get(self) -> AbstractEventLoop | None:
        """Return the loop that is bound to the present context, ``None`` where there is none; never make a loop."""

    @abstractmethod
    def set(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop`` to the present context; ``None`` unbinds the loop that was set."""

    # --- what has a default ---

    def new(self) -> AbstractEventLoop:
        """Return a new loop that is not bound to anything.

        Override this method, or the attribute ``loop_factory``: a policy then makes its loops by it, unless the policy
        was given a loop factory itself.
        """
        return (self._own_loop_factory() or platform_loop)()

    def applies(self) -> bool:
        """Return whether this resolver's kind of context is present here."""
        return True

    def describe(self) -> str:
        """Return a name of the present context, for messages."""
        return f"the context that {type(self).__name__} finds in thread {thread_name()}"

    def binding(self) -> Binding | None:
        """Return the binding of the present context; ``None`` where there is none, or nothing is known of its owner.

        Unlike :meth:`get`, it also returns a binding that another thread has made, whose loop is not handed out here.
        """
        return None

    def binding_changed(self, previous: AbstractEventLoop | None, current: AbstractEventLoop | None) -> None:
        """Take note that what :meth:`get` returns in the present context has changed, in whichever way that happened.

        Called after ``set()``, ``set_event_loop()``, a lease, the beginning and the end of a scope, and whatever ends a
        lease while its context goes on. It is not called when a context ends: then there is no context to call it in.
        A resolver that does not override this method pays nothing for it.

        Args:
            previous: the loop that was bound before, ``None`` where there was none. It may be closed.
            current: the loop that is bound now, ``None`` where there is none.
        """

    def after_fork(self) -> None:
        """Forget what belongs to the parent process; called in a forked child."""

    def installed(self) -> None:
        """Take note that a policy with this resolver comes into force."""

    def uninstalled(self) -> None:
        """Take note that a policy with this resolver is no longer in force."""

    # --- what is overridden for speed only ---

    def getter(self, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
        """Return what the policy binds as its ``get_event_loop``.

        Override it for speed: with one closure over your store, a hit costs one Python frame.

        Args:
            miss: to be called where no loop is bound; the closure returns what ``miss()`` returns.
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
        """Return what the policy binds as its ``set_event_loop``; override it for speed only.

        Args:
            other: to be called with whatever is not an event loop. The closure also calls it with ``None``, unless the
                closure unbinds by itself.
        """
        return setter_of(self.bindings.bind, other)

    # --- what the policy uses, and authors leave alone ---

    @property
    def bindings(self) -> Bindings:
        """Leases, scopes, and whether a loop was ever set: what the policy does, and authors need not care about."""
        return self._reporting(PlainBindings(self, self._thread_state))

    def _reporting(self, bindings: Bindings) -> Bindings:
        return ReportedBindings(bindings, self) if self._reports_changes else bindings

    def _chosen_factory(self) -> LoopFactory | None:
        """Return what makes this resolver's loops in the present context, ``None`` to leave that to the policy."""
        return self.new if self._overrides(ContextResolver, "new") else self._own_loop_factory()

    def _own_loop_factory(self) -> LoopFactory | None:
        # Not self.loop_factory: a plain function in the class would become a bound method.
        found: LoopFactory | None = vars(self).get("loop_factory") or type(self).loop_factory  # pyright: ignore[reportAttributeAccessIssue]
        return found

    def _overrides(self, base: type, *names: str) -> bool:
        """Return whether a subclass of ``base``, or this very object, has methods of its own by these names."""
        return any(name in vars(self) or _written(type(self), name) is not _written(base, name) for name in names)

    def _broken(self, what: str, fix: str) -> ResolverError:
        return ResolverError(
            f"resolver {type(self).__name__}: {what}, {thread_and_context(self)}. Fix the resolver: it must {fix}."
        )

    _thread_state: ThreadState


def _written(kind: type, name: str) -> Any:
    """Return the method as its author wrote it, without what reports changes around it."""
    method = getattr(kind, name)
    return method.__wrapped__ if hasattr(method, "reports") else method


def setter_of(bind: Callable[[AbstractEventLoop], None], other: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a function that calls ``bind`` with an event loop, and ``other`` with anything else."""
    kind = AbstractEventLoop

    def set_event_loop(loop: Any) -> None:
        if isinstance(loop, kind):
            bind(loop)
        else:
            other(loop)

    return set_event_loop


def factory_of(resolver: ContextResolver) -> LoopFactory | None:
    """Return what makes the loops of ``resolver`` in the present context, ``None`` where it leaves that to the policy.

    That is its ``new()``, if overridden, else its ``loop_factory``; for a resolver around another resolver, if it has
    neither, what the other one has.
    """
    return resolver._chosen_factory()


def may_have_factory(resolver: ContextResolver) -> bool:
    """Return whether :func:`factory_of` may return a factory for ``resolver`` in any context.

    Where it cannot, a policy does not ask for each loop.
    """
    return resolver._overrides(ContextResolver, "_chosen_factory") or factory_of(resolver) is not None
