"""What a policy answers, kept apart from the policy.

A policy keeps closures over this, and this knows nothing of the policy. Closures over the policy itself would make a
cycle of it: what only the policy holds (its resolver, and with that the leases of contexts that are still there) would
then go by the garbage collector, which finalizes in no sure order, now and then a leased loop before its lease.
"""

from __future__ import annotations

import asyncio
import threading
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Callable
from types import CodeType
from typing import Any, Literal, Protocol, final

from ctxpolicy._asyncio.capabilities import CREATES_IMPLICITLY, CREATION_WARNS
from ctxpolicy._asyncio.forked_loops import keep_inherited
from ctxpolicy._callsite import caller
from ctxpolicy._loops.creation import note_origin
from ctxpolicy._loops.factories import LoopFactory, make_loop
from ctxpolicy._loops.pool import Reusing
from ctxpolicy._policy import override
from ctxpolicy._policy.child_watcher import Watch
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import NoCurrentLoopError, NotALoopError
from ctxpolicy.resolvers.base import ContextResolver, factory_of, may_have_factory

__all__ = ["Answers", "Missing"]

Missing = Literal["asyncio", "error", "create"]


class _Asked(Protocol):
    def new_event_loop(self) -> AbstractEventLoop: ...
    def set_event_loop(self, loop: AbstractEventLoop | None) -> None: ...


@final
class Answers:
    """What is known to a policy, and what it does by that.

    Attributes:
        own_resolver: the resolver that the policy was made with.
        missing: what is done in a context without a loop.
        given_factory: makes loops, where the policy was given one.
        inherited_factory: makes the loops of the policy whose place this one takes, where they are not asyncio's own.
        scoped: whether ``using`` blocks are heeded.
        watch: the child watcher in use.
    """

    def __init__(
        self, resolver: ContextResolver, missing: Missing, given_factory: LoopFactory | None, plain_factory: LoopFactory
    ) -> None:
        self.own_resolver = resolver
        self.missing: Missing = missing
        self.given_factory = given_factory
        self.inherited_factory: LoopFactory | None = None
        self._plain_factory = plain_factory
        self._factory_unasked = plain_factory
        self.scoped = override.in_use()
        self.watch = Watch()
        self._may_be_asked = True
        self._getters_code: CodeType | None = None
        self._legacy_loop: AbstractEventLoop | None = None

    @property
    def resolver(self) -> ContextResolver:
        """The resolver that says what a context is here."""
        chosen = override.chosen() if self.scoped else None
        return self.own_resolver if chosen is None else chosen

    # --- get and set ---

    def getter(self, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
        """Return the resolver's getter, which heeds ``using`` blocks where there may be any."""
        if not self.scoped:
            return self.own_resolver.getter(miss)
        return override.scoped_getter(self.own_resolver, miss)

    def setter(self) -> Callable[[Any], None]:
        """Return the resolver's setter, which heeds ``using`` blocks where there may be any."""
        if not self.scoped:
            return self.own_resolver.setter(self._set_other)
        return override.scoped_setter(self.own_resolver, self._set_other)

    def bound_getter(self) -> Callable[[], AbstractEventLoop]:
        """Return what can stand for the policy's ``get_event_loop``."""
        found = self.getter(self.make_up_for_missing)
        self._getters_code = _code_of(found)
        return found

    def bound_setter(self) -> Callable[[Any], None]:
        """Return what can stand for the policy's ``set_event_loop``."""
        return self.watch.attaching(self.setter())

    def set_event_loop(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop``, and attach a child watcher that is in use to it."""
        self.bound_setter()(loop)

    def _set_other(self, loop: Any) -> None:
        if loop is None:
            self.resolver.bindings.bind(None)
            return
        self.resolver.bindings.note_set()  # asyncio too counts this as a loop having been set
        raise NotALoopError(
            f"loop must be an instance of AbstractEventLoop or None, not {type(loop).__name__!r} "
            f"(set in thread {thread_name()} for {self.resolver.describe()}, which keeps what was bound. Give a loop, "
            "as asyncio.new_event_loop() returns it)"
        )

    # --- new loops ---

    def inherit(self, factory: LoopFactory | None) -> None:
        """Make loops by ``factory`` where nobody asks for others; ``None``: asyncio's own."""
        self.inherited_factory = factory
        self._factory_unasked = self._plain_factory if factory is None else factory

    def ask_resolver(self) -> None:
        """Find out whether the resolver may have a say in :meth:`make`.

        Most have none, and to ask them for each loop takes 2 % of an ``asyncio.run()``.
        """
        self._may_be_asked = self.scoped or self.given_factory is not None or may_have_factory(self.own_resolver)

    def make(self) -> AbstractEventLoop:
        """Make a loop."""
        asked_for = self._factory_asked_for() if self._may_be_asked else None
        # What asyncio's own factory raises is not ours to dress up.
        return self._factory_unasked() if asked_for is None else make_loop(asked_for)

    def new_event_loop(self) -> AbstractEventLoop:
        """Make a loop, and note where."""
        return note_origin(self.make())

    def leased_factory(self) -> LoopFactory:
        """Return what makes the loops that are leased in the present context."""
        unasked = not self._may_be_asked or self._factory_asked_for() is None
        if unasked and self._factory_unasked is asyncio.SelectorEventLoop:
            return Reusing(self._factory_unasked, self.new_event_loop)
        return self.new_event_loop

    def factory_in_use(self) -> LoopFactory:
        """Return what :meth:`make` calls in the present context."""
        asked_for = self._factory_asked_for()
        return self._factory_unasked if asked_for is None else asked_for

    def _factory_asked_for(self) -> LoopFactory | None:
        return factory_of(self.resolver) if self.given_factory is None else self.given_factory

    # --- where a loop is missing ---

    def remedy(self) -> Literal["lease", "legacy", "error"]:
        """Say what is done about a loop that is missing in the present context, without doing it."""
        if self.missing == "create":
            return "lease"
        return "legacy" if self.missing == "asyncio" and self._may_make_legacy_loop() else "error"

    def make_up_for_missing(self, asked: _Asked | None = None) -> AbstractEventLoop:
        """Do it.

        Args:
            asked: the policy, where it may make and set loops in a way of its own.
        """
        remedy = self.remedy()
        if remedy == "lease":
            return self.resolver.bindings.lease(self.leased_factory() if asked is None else asked.new_event_loop)
        asked = self if asked is None else asked
        if remedy == "legacy":
            asked.set_event_loop(self._make_legacy_loop(asked))
            loop = self.resolver.get()
            if loop is not None:
                return loop
        raise self.nothing_here()

    def leave_legacy_loop(self) -> None:
        """Have another one made where one is needed; called in a forked child, the one there is being the parent's."""
        if self._legacy_loop is not None:
            keep_inherited(self._legacy_loop)
            self._legacy_loop = None

    def legacy_loop(self) -> AbstractEventLoop | None:
        """Return the loop that was made unasked for: one, for all contexts of the main thread that have none.

        Kept alive until it is closed, as asyncio's policy keeps it: the contexts that have it bound may all be gone
        before what was scheduled on it has run.
        """
        loop = self._legacy_loop
        if loop is not None and loop.is_closed():
            loop = self._legacy_loop = None
        return loop

    def _may_make_legacy_loop(self) -> bool:
        return (
            CREATES_IMPLICITLY
            and threading.get_ident() == threading.main_thread().ident  # current_thread() may make a dummy thread
            and not self.resolver.bindings.was_set()
        )

    def _make_legacy_loop(self, asked: _Asked) -> AbstractEventLoop:
        loop = self.legacy_loop()
        if loop is None:
            if CREATION_WARNS:
                _, level = caller(beyond=self._getters_code)
                warnings.warn("There is no current event loop", DeprecationWarning, stacklevel=level)
            loop = self._legacy_loop = asked.new_event_loop()
        return loop

    def nothing_here(self) -> NoCurrentLoopError:
        """Return what is raised where there is no loop, and none may be made."""
        return NoCurrentLoopError(
            f"There is no current event loop in thread {thread_name()}. ({self.resolver.describe()} has none"
            f"{self._loop_of_another_thread()}. Run async code with asyncio.run(); or bind a loop here with "
            "asyncio.set_event_loop(); or have one made wherever it is missing: "
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
