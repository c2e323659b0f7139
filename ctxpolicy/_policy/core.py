"""The implementation of a policy, kept apart from the policy object.

The methods of a policy are closures over a :class:`PolicyCore`, and the core does not refer to the policy. Closures
over the policy itself would form a reference cycle with the policy. The garbage collector would then free the objects
that only the policy holds: its resolver, and the leases of contexts that still exist. The collector finalizes objects
in no particular order, and sometimes a leased loop before its lease.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from functools import partial
from types import CodeType
from typing import Any, Literal, Protocol, final

from ctxpolicy._loops.creation import record_creation
from ctxpolicy._loops.factories import LoopFactory, make_loop
from ctxpolicy._loops.pool import ReusableFactory
from ctxpolicy._policy import override_switch
from ctxpolicy._policy.child_watcher import Watch
from ctxpolicy._policy.legacy_loop import LegacyLoop
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import NoCurrentLoopError, NotALoopError
from ctxpolicy.resolvers.base import ContextResolver, factory_of, may_have_factory

__all__ = ["Missing", "PolicyCore"]

Missing = Literal["asyncio", "error", "create"]


class _Policy(Protocol):
    """The methods of a policy that a subclass may override."""

    def new_event_loop(self) -> AbstractEventLoop: ...
    def set_event_loop(self, loop: AbstractEventLoop | None) -> None: ...


@final
class PolicyCore:
    """The state of a policy, and the implementation of its methods.

    Attributes:
        own_resolver: the resolver that the policy was created with.
        missing: how a missing loop is handled.
        given_factory: the loop factory that the policy was created with.
        inherited_factory: the loop factory of the policy that this one replaces; ``None`` if it is asyncio's own.
        legacy_loop: the loop that is created implicitly up to Python 3.13.
    """

    def __init__(
        self,
        resolver: ContextResolver,
        missing: Missing,
        given_factory: LoopFactory | None,
        default_factory: LoopFactory,
        watch: Watch,
    ) -> None:
        self.own_resolver = resolver
        self.missing: Missing = missing
        self.given_factory = given_factory
        self.inherited_factory: LoopFactory | None = None
        self._default_factory = default_factory
        self._factory_without_request = default_factory
        self.legacy_loop = LegacyLoop()
        self._watch = watch
        self._may_request_factory = True
        self._getter_code: CodeType | None = None
        self._override: Any = None
        if override_switch.overrides_enabled():
            self.enable_overrides()

    @property
    def overrides_enabled(self) -> bool:
        """Whether ``using`` blocks have an effect."""
        return self._override is not None

    def enable_overrides(self) -> None:
        """Make ``using`` blocks have an effect from now on."""
        # Imported only here, because this module imports contextvars-extras. That import takes a quarter of the time of
        # importing install().
        from ctxpolicy._policy import override

        self._override = override

    @property
    def resolver(self) -> ContextResolver:
        """The resolver in effect in the present contextvars context."""
        overriding: ContextResolver | None = None if self._override is None else self._override.overriding_resolver()
        return self.own_resolver if overriding is None else overriding

    # --- get and set ---

    def getter(self, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
        """Return the getter of the resolver in effect.

        Args:
            miss: called if no loop is bound; its result is returned.
        """
        if self._override is None:
            return self.own_resolver.getter(miss)
        getter: Callable[[], AbstractEventLoop] = self._override.overriding_getter(self.own_resolver, miss)
        return getter

    def setter(self) -> Callable[[Any], None]:
        """Return the setter of the resolver in effect."""
        if self._override is None:
            return self.own_resolver.setter(self._set_other)
        setter: Callable[[Any], None] = self._override.overriding_setter(self.own_resolver, self._set_other)
        return setter

    def bound_getter(self) -> Callable[[], AbstractEventLoop]:
        """Return a function that can replace the policy's ``get_event_loop``."""
        found = self.getter(self.handle_missing)
        self._getter_code = _code_of(found)
        return found

    def bound_setter(self) -> Callable[[Any], None]:
        """Return a function that can replace the policy's ``set_event_loop``."""
        return self._watch.attaching(self.setter())

    def set_event_loop(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop``, and attach the child watcher to it."""
        self.bound_setter()(loop)

    def _set_other(self, loop: Any) -> None:
        if loop is None:
            self.resolver.bindings.bind(None)
            return
        self.resolver.bindings.note_set()  # asyncio too records that a loop was set before it checks the type
        raise NotALoopError(
            f"loop must be an instance of AbstractEventLoop or None, not {type(loop).__name__!r} "
            f"(set in thread {thread_name()} for {self.resolver.describe()}, whose binding is unchanged). Pass an "
            "event loop, as asyncio.new_event_loop() returns it."
        )

    # --- new loops ---

    def inherit(self, factory: LoopFactory | None) -> None:
        """Make loops with ``factory``, unless the policy's options or the resolver request another factory.

        Args:
            factory: a loop factory; ``None``: asyncio's own.
        """
        self.inherited_factory = factory
        self._factory_without_request = self._default_factory if factory is None else factory

    def check_resolver(self) -> None:
        """Determine whether :meth:`make` must ask the resolver for a factory.

        Most resolvers have no factory, and asking for each loop takes 2 % of an ``asyncio.run()``.
        """
        self._may_request_factory = (
            self.overrides_enabled or self.given_factory is not None or may_have_factory(self.own_resolver)
        )

    def make(self) -> AbstractEventLoop:
        """Make a loop."""
        return self._present_factory()()

    def new_event_loop(self) -> AbstractEventLoop:
        """Make a loop, and record where it is created."""
        return record_creation(self.make())

    def leased_factory(self) -> LoopFactory:
        """Return a factory for loops that are leased in the present context."""
        # The resolver is asked now: a lease calls its factory in an empty contextvars context, outside any using block.
        factory = self._present_factory()
        if factory is asyncio.SelectorEventLoop:
            return ReusableFactory(factory)
        return factory

    def factory_in_use(self) -> LoopFactory:
        """Return the factory that :meth:`make` calls in the present context."""
        requested = self._requested_factory()
        return self._factory_without_request if requested is None else requested

    def _present_factory(self) -> LoopFactory:
        """Return the factory for the present context. It raises exceptions of asyncio's own factory unchanged."""
        requested = self._requested_factory() if self._may_request_factory else None
        return self._factory_without_request if requested is None else partial(make_loop, requested)

    def _requested_factory(self) -> LoopFactory | None:
        return factory_of(self.resolver) if self.given_factory is None else self.given_factory

    # --- a missing loop ---

    def missing_action(self) -> Literal["lease", "legacy", "error"]:
        """Return what :meth:`handle_missing` does in the present context."""
        if self.missing == "create":
            return "lease"
        may_create = self.missing == "asyncio" and self.legacy_loop.may_be_created()
        return "legacy" if may_create and not self.resolver.bindings.was_set() else "error"

    def handle_missing(self, policy: _Policy | None = None) -> AbstractEventLoop:
        """Handle a missing loop as ``missing`` says.

        Args:
            policy: the policy, if its class may override how loops are made and set.

        Returns:
            the loop that is bound now.

        Raises:
            NoCurrentLoopError: no loop may be created here.
        """
        action = self.missing_action()
        if action == "lease":
            return self.resolver.bindings.lease(self.leased_factory() if policy is None else policy.new_event_loop)
        if action == "legacy":
            made_by: _Policy = self if policy is None else policy
            made_by.set_event_loop(self.legacy_loop.get_or_create(made_by.new_event_loop, self._getter_code))
            loop = self.resolver.get()
            if loop is not None:
                return loop
        raise self.no_loop_error()

    def no_loop_error(self) -> NoCurrentLoopError:
        """Return the error for a context that has no loop and for which none may be created."""
        return NoCurrentLoopError(
            f"There is no current event loop in thread {thread_name()}. ({self.resolver.describe()} has none"
            f"{self._loop_of_another_thread()}. Run async code with asyncio.run(); or bind a loop with "
            "asyncio.set_event_loop(); or have missing loops created: "
            'ctxpolicy.install(missing="create").)'
        )

    def _loop_of_another_thread(self) -> str:
        binding = self.resolver.binding()
        if binding is None or binding.loop is None:
            return ""
        return f" of its own: {binding.loop!r} was bound in thread {thread_name(binding.thread)}"


def _code_of(function: Callable[..., Any]) -> CodeType | None:
    found = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return found if isinstance(found, CodeType) else None
