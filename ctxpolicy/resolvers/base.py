"""The contract of a resolver. A resolver defines what a context is, and keeps the current loop of each context."""

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
    """The strategy behind a policy. A resolver defines what a context is, and keeps the current loop of each context.

    A subclass must define :meth:`get` and :meth:`set`. The other methods have defaults. A subclass need not call
    ``super().__init__()``.

    Threads and contexts: a method that refers to the present context is called in the thread and the context that it
    refers to, also inside a running loop. Many threads may call the methods of one resolver at once.

    Attributes:
        contract: the version of the contract that the resolver was written for.
        loop_factory: the factory of this resolver's loops. ``None``: the policy chooses.
    """

    contract: ClassVar[int] = 1
    loop_factory: ClassVar[LoopFactory | None] = None
    _reports_changes: ClassVar[bool]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Decided once, when the class is created: a resolver that does not override the hook has no cost.
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
        # Not in __init__(), because a subclass need not call it.
        renew_after_fork(resolver, RESOLVER)
        resolver._thread_state = ThreadState()
        return resolver

    # --- every resolver defines these ---

    @abstractmethod
    def get(self) -> AbstractEventLoop | None:
        """Return the loop that is bound to the present context.

        Called for ``asyncio.get_event_loop()`` if no loop is running in this thread, and by ctxpolicy itself. This
        method must not create a loop, and must not raise because no loop is bound. It returns a closed loop too, as
        asyncio does.

        Returns:
            the loop; ``None`` if no loop is bound, or if the loop may not be used in this thread and process.
        """

    @abstractmethod
    def set(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop`` to the present context, in place of the loop that is bound there.

        Called for ``asyncio.set_event_loop()`` and by ctxpolicy itself, but never with an object of another type. This
        method closes no loop, and changes no other context that exists. An exception that it raises reaches the caller.

        Args:
            loop: the loop, which may be closed; ``None``: unbind the loop that was set. If none is bound, do nothing.
        """

    # --- these have a default ---

    def new(self) -> AbstractEventLoop:
        """Return a new, open loop, and bind it to no context.

        To choose the kind of the loops, override this method or set the attribute ``loop_factory``. A policy then makes
        all its loops this way, unless the policy has a loop factory of its own. It calls this method in the thread that
        needs the loop; for a leased loop, in an empty contextvars context. An exception is raised to the caller as a
        ``LoopFactoryError``, except for exceptions of ctxpolicy, which are raised unchanged.

        Raises:
            NewLoopRefusedError: a resolver may raise this if a new loop could not run here.
        """
        own = self._own_loop_factory()
        return platform_loop() if own is None else own()

    def applies(self) -> bool:
        """Return whether this resolver's kind of context is present here. Called by :class:`ChainResolver`."""
        return True

    def describe(self) -> str:
        """Return a name of the present context, for messages. The name is not empty."""
        return f"the context that {type(self).__name__} finds in thread {thread_name()}"

    def binding(self) -> Binding | None:
        """Return the binding of the present context: the loop with its owner.

        Unlike :meth:`get`, this method also returns a binding whose loop may not be used here because another thread
        has made the binding. Called for messages, by ``explain()``, and by ``block_on()`` to find a loop that runs in
        another thread.

        Returns:
            the binding; ``None`` if no loop is bound, or if the resolver does not know the owner.
        """
        return None

    def binding_changed(self, previous: AbstractEventLoop | None, current: AbstractEventLoop | None) -> None:
        """Called when the result of :meth:`get` in the present context has changed, whatever the cause.

        The causes are ``set()``, ``set_event_loop()``, a lease, the start and the end of a scope, and the end of a
        lease before the end of its context. The call is made in the thread and the context that made the change, after
        the change. An exception reaches the code that made the change. The end of a context is not reported, because
        there is no context left for the call. A resolver that does not override this method has no cost.

        Args:
            previous: the loop that was bound before, or ``None``. It may be closed.
            current: the loop that is bound now, or ``None``. It is never the same as ``previous``.
        """

    def after_fork(self) -> None:
        """Forget the loops and locks of the parent process.

        Called once in a forked child, in the thread and context that forked. No other thread exists in the child.
        """

    def installed(self) -> None:
        """Called when a policy with this resolver is about to come into force, or a ``using`` block is entered.

        Called in the thread that installs the policy or enters the block. Several policies and blocks may use one
        resolver at a time, each with a call of its own. This method must not change any binding. If it raises, the
        policy is not installed, and the exception reaches the caller.
        """

    def uninstalled(self) -> None:
        """Called when a policy with this resolver is no longer in force, or a ``using`` block is left.

        Each call ends one call of :meth:`installed`, possibly in another thread. Other policies may still use the
        resolver. This method must not change any binding.
        """

    # --- these are overridden for speed only ---

    def getter(self, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
        """Return the function that the policy uses as its ``get_event_loop``.

        Override this method for speed: with one closure over your store, a hit costs one Python frame. A policy calls
        this method when it is created, and may call it again at any time, for example at the first ``using`` of the
        process, and in a forked child after :meth:`after_fork`. It calls the returned function in every thread and
        context.

        Args:
            miss: a function to call if no loop is bound. Its result must be returned.

        Returns:
            a function without arguments that returns the loop of the present context, as :meth:`get` does, or the
            result of ``miss()``.
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
        """Return the function that the policy uses as its ``set_event_loop``.

        Override this method for speed. A policy calls it whenever it calls :meth:`getter`. It calls the returned
        function in every thread and context, with whatever was passed to ``set_event_loop()``.

        Args:
            other: a function to call with each object that is not an event loop. It unbinds the loop if it is called
                with ``None``, and raises ``NotALoopError`` otherwise.

        Returns:
            a function with one argument. It binds an event loop, and calls ``other`` with any other object. It may
            handle ``None`` without ``other``.
        """
        return setter_of(self.bindings.bind, other)

    # --- the policy uses these; authors need not care about them ---

    @property
    def bindings(self) -> Bindings:
        """The operations of the policy on the bindings: leases, scopes, and whether a loop was ever set."""
        return self._reporting(PlainBindings(self, self._thread_state))

    def _reporting(self, bindings: Bindings) -> Bindings:
        return ReportedBindings(bindings, self) if self._reports_changes else bindings

    def _chosen_factory(self) -> LoopFactory | None:
        """Return the factory of this resolver's loops in the present context, ``None`` if the policy chooses."""
        return self.new if self._overrides(ContextResolver, "new") else self._own_loop_factory()

    def _own_loop_factory(self) -> LoopFactory | None:
        # Not self.loop_factory, which would make a bound method of a plain function in the class.
        found: LoopFactory | None = vars(self).get("loop_factory")
        return type(self).loop_factory if found is None else found  # pyright: ignore[reportAttributeAccessIssue]

    def _overrides(self, base: type, *names: str) -> bool:
        """Return whether a subclass of ``base``, or the instance itself, overrides one of the methods ``names``."""
        return any(name in vars(self) or _written(type(self), name) is not _written(base, name) for name in names)

    def _broken(self, what: str, fix: str) -> ResolverError:
        return ResolverError(
            f"resolver {type(self).__name__}: {what}, {thread_and_context(self)}. Fix the resolver: it must {fix}."
        )

    _thread_state: ThreadState


def _written(kind: type, name: str) -> Any:
    """Return the method as its author wrote it, without the wrapper that reports changes."""
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
    """Return the factory of the loops of ``resolver`` in the present context, ``None`` if the policy chooses.

    The factory is ``resolver.new`` if the resolver overrides ``new()``, else its ``loop_factory``. A resolver around
    another resolver that has neither uses the factory of the other resolver.
    """
    return resolver._chosen_factory()


def may_have_factory(resolver: ContextResolver) -> bool:
    """Return whether :func:`factory_of` may return a factory for ``resolver`` in any context.

    If it cannot, a policy does not call :func:`factory_of` for each loop.
    """
    return resolver._overrides(ContextResolver, "_chosen_factory") or factory_of(resolver) is not None
