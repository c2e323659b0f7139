"""What the contract says of the methods, one by one."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, Final

from ctxpolicy._lifetime.fresh_loop import fresh_loop
from ctxpolicy._policy.install import install
from ctxpolicy.resolvers.base import ContextResolver
from ctxpolicy.testing._harness.description import Description
from ctxpolicy.testing._harness.scenario import Context, Scenario
from ctxpolicy.testing._laws.decorator import law

__all__ = ["MethodLaws"]

_IN_FORCE: Final = "installed() and uninstalled() are told of the policy only, and must bind and unbind nothing."
_OWNED: Final = "Only what was leased is closed; a loop that was set by hand is closed by who has made it."
_CLEARED: Final = "clear() must empty the context; with a SlotResolver by store(None), which must then be loaded again."
_REPORTED: Final = "Pass on every method of bindings, and return self._reporting(...) of bindings that you make anew."
_NO_LOOP: Final = "Bind only what isinstance() says is an AbstractEventLoop, and call other() with the rest."


class MethodLaws(Description):
    """The tests of what single methods do."""

    @law(0)
    def test_description_can_be_used(self, play: Scenario) -> None:
        """make_resolver() makes a new resolver each time, and functions run in the contexts."""
        if self.make_resolver() is play.resolver:
            play.lie("make_resolver() returned the same resolver twice")
        if play.resolver.contract != ContextResolver.contract:
            play.broken(f"it is written for version {play.resolver.contract} of the contract")
        for context in play.anywhere():
            context.check()

    @law(0)
    def test_methods_get_is_none_where_nothing_is_bound(self, play: Scenario) -> None:
        """get() raises nothing and makes nothing where no loop is bound, and so again when asked again."""
        for context in play.anywhere():
            for _ in range(2):
                context.expect(None, "though nothing was ever bound", "get() must neither raise nor make a loop.")

    @law(0)
    def test_methods_new_makes_a_loop_and_binds_nothing(self, play: Scenario) -> None:
        """new() returns an open loop, another one each time, and binds none."""
        loops = [play.answer("new", play.resolver.new) for _ in range(2)]
        try:
            if loops[0] is loops[1] or any(loop.is_closed() for loop in loops):
                play.broken(f"new() returned {loops[0]!r}, and then {loops[1]!r}", "Return a new loop at each call.")
            play.here.expect(None, "though new() must bind nothing")
        finally:
            for loop in loops:
                loop.close()

    @law(0)
    def test_methods_that_tell_of_the_context_answer_everywhere(self, play: Scenario) -> None:
        """describe() names the context in some words, and applies() is true or false."""
        for context in play.anywhere():
            name: object = context.run(lambda: play.answer("describe", play.resolver.describe))
            if not (isinstance(name, str) and name):
                play.broken(
                    f"describe() returned {name!r} in {context.name}", "Return some words that name the context."
                )
            applies: object = context.run(lambda: play.answer("applies", play.resolver.applies))
            if not isinstance(applies, bool):
                play.broken(f"applies() returned {applies!r} in {context.name}", "Return True or False.")

    @law(0)
    def test_methods_installed_and_uninstalled_leave_what_is_bound(self, play: Scenario) -> None:
        """A policy goes in and out of force, and another one with the same resolver inside of that: all stays."""
        for loop in None, play.loop():
            for hook in [play.resolver.installed] * 2 + [play.resolver.uninstalled] * 2:
                play.here.set(loop)
                play.note(f"in {play.here.name}: {hook.__name__}()")
                play.answer(hook.__name__, hook)
                play.here.expect(loop, "which was bound there before", _IN_FORCE)

    @law(0)
    def test_methods_set_closes_no_loop(self, play: Scenario) -> None:
        """A loop that is replaced or unset stays open."""
        for context in play.anywhere():
            for put in context.set, context.bind:
                loops = [play.loop(), play.loop()]
                for each in (*loops, None):
                    put(each)
                    for loop in loops:
                        if loop.is_closed():
                            play.broken(f"{loop!r} was closed", _OWNED)

    @law(0)
    def test_methods_setter_hands_on_what_is_no_loop(self, play: Scenario) -> None:
        """What setter(other) returns binds nothing that is no event loop (nor None), and calls `other` with it."""
        handed: list[Any] = []
        put = play.answer("setter", lambda: play.resolver.setter(handed.append))
        bound = play.loop()
        play.here.set(bound)
        for thing in "no loop", AbstractEventLoop, False:
            play.note(f"in {play.here.name}: what setter(other) returned is called with {thing!r}")
            play.answer("what setter() returned", lambda: put(thing))  # noqa: B023 - called at once
            if handed != [thing]:
                play.broken(f"other was called with {handed!r} and not with {[thing]!r}", _NO_LOOP)
            handed.clear()
            play.here.expect(bound, "which was set there before", _NO_LOOP)

    @law(0)
    def test_methods_clear_leaves_no_loop(self, play: Scenario) -> None:
        """clear() leaves a context without a loop, whether that was set by hand, leased, or set over a lease."""
        for context in play.anywhere():
            context.bind(play.loop())
            _clear(play, context)
            context.lease()
            _clear(play, context)
            context.lease()
            context.bind(play.loop())
            _clear(play, context)

    @law(0)
    def test_methods_binding_changed_sees_every_change(self, play: Scenario) -> None:
        """A subclass that overrides binding_changed() is told of a set, a lease, a scope and its end, and clear()."""
        changes = _record_changes(play.resolver)
        with install(play.policy):
            for context in play.anywhere():
                for step in _steps_that_bind(play, context):
                    before = context.get()
                    changes.clear()
                    step()
                    after = context.get()
                    expected = [] if after is before else [(before, after)]
                    if changes != expected:
                        told = [tuple(map(play.told, each)) for each in changes]
                        play.broken(f"binding_changed() was called with {told} in {context.name}", _REPORTED)


_Change = tuple[AbstractEventLoop | None, AbstractEventLoop | None]


def _record_changes(resolver: ContextResolver) -> list[_Change]:
    """Make ``resolver`` one of a subclass that overrides ``binding_changed()``; return what the method is told."""
    changes: list[_Change] = []

    def binding_changed(_: Any, previous: AbstractEventLoop | None, current: AbstractEventLoop | None) -> None:
        changes.append((previous, current))

    kind = type(resolver)
    resolver.__class__ = type(kind.__name__, (kind,), {"binding_changed": binding_changed})
    return changes


def _steps_that_bind(play: Scenario, context: Context) -> list[Callable[[], object]]:
    def run(what: str, function: Callable[[], object]) -> None:
        play.note(f"in {context.name}: {what}")
        context.run(lambda: play.answer(what, function))

    scope = fresh_loop()
    loops = [play.loop(), play.loop()]
    return [
        lambda: context.set(loops[0]),
        lambda: context.bind(loops[1]),
        lambda: context.bind(loops[1]),
        lambda: context.bind(None),
        lambda: context.lease(),
        lambda: run("entering fresh_loop()", scope.__enter__),
        lambda: context.bind(loops[0]),
        lambda: context.bind(None),
        lambda: run("leaving fresh_loop()", lambda: scope.__exit__(None, None, None)),
        lambda: run("clear", play.resolver.bindings.clear),
        lambda: context.set(None),
    ]


def _clear(play: Scenario, context: Context) -> None:
    play.note(f"in {context.name}: clear()")
    context.run(lambda: play.answer("clear", play.resolver.bindings.clear))
    context.expect(None, "after clear() there", _CLEARED)
