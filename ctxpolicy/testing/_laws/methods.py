"""The rules of the contract about single methods."""

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

_IN_FORCE: Final = "installed() and uninstalled() only report that a policy is in force or not: bind nothing there."
_OWNED: Final = "Close no loop: a loop that was set belongs to the code that made it."
_CLEARED: Final = "After store(None), load() must return None."
_REPORTED: Final = "Do not override the property `bindings`."
_NO_LOOP: Final = "Bind only instances of AbstractEventLoop, and call other() with everything else."


class MethodLaws(Description):
    """The tests of single methods."""

    @law(0)
    def test_description_can_be_used(self, scenario: Scenario) -> None:
        """make_resolver() makes a new resolver at each call, and the contexts run functions."""
        if self.make_resolver() is scenario.resolver:
            scenario.bad_description("make_resolver() returned the same resolver twice")
        if scenario.resolver.contract != ContextResolver.contract:
            scenario.broken(f"it is written for version {scenario.resolver.contract} of the contract")
        for context in scenario.anywhere():
            context.check()

    @law(0)
    def test_methods_get_is_none_where_nothing_is_bound(self, scenario: Scenario) -> None:
        """get() returns None if no loop is bound, at each call. It neither raises nor makes a loop."""
        for context in scenario.anywhere():
            for _ in range(2):
                context.expect(None, "though nothing was ever bound", "get() must neither raise nor make a loop.")

    @law(0)
    def test_methods_new_makes_a_loop_and_binds_nothing(self, scenario: Scenario) -> None:
        """new() returns an open loop, a different one at each call, and binds nothing."""
        loops = [scenario.answer("new", scenario.resolver.new) for _ in range(2)]
        try:
            if loops[0] is loops[1] or any(loop.is_closed() for loop in loops):
                scenario.broken(
                    f"new() returned {loops[0]!r}, and then {loops[1]!r}", "Return a new loop at each call."
                )
            scenario.here.expect(None, "though new() must bind nothing")
        finally:
            for loop in loops:
                loop.close()

    @law(0)
    def test_methods_describe_and_applies_work_in_every_context(self, scenario: Scenario) -> None:
        """describe() returns text that is not empty, and applies() returns True or False."""
        for context in scenario.anywhere():
            name: object = context.run(lambda: scenario.answer("describe", scenario.resolver.describe))
            if not (isinstance(name, str) and name):
                scenario.broken(
                    f"describe() returned {name!r} in {context.name}", "Return text that names the context."
                )
            applies: object = context.run(lambda: scenario.answer("applies", scenario.resolver.applies))
            if not isinstance(applies, bool):
                scenario.broken(f"applies() returned {applies!r} in {context.name}", "Return True or False.")

    @law(0)
    def test_methods_installed_and_uninstalled_change_no_binding(self, scenario: Scenario) -> None:
        """Two policies with the resolver are installed and uninstalled, one inside the other. No binding changes."""
        for loop in None, scenario.loop():
            for hook in [scenario.resolver.installed] * 2 + [scenario.resolver.uninstalled] * 2:
                scenario.here.set(loop)
                scenario.note(f"in {scenario.here.name}: {hook.__name__}()")
                scenario.answer(hook.__name__, hook)
                scenario.here.expect(loop, "which was bound there before", _IN_FORCE)

    @law(0)
    def test_methods_set_closes_no_loop(self, scenario: Scenario) -> None:
        """A loop that is replaced or unset stays open."""
        for context in scenario.anywhere():
            for put in context.set, context.bind:
                loops = [scenario.loop(), scenario.loop()]
                for each in (*loops, None):
                    put(each)
                    for loop in loops:
                        if loop.is_closed():
                            scenario.broken(f"{loop!r} was closed", _OWNED)

    @law(0)
    def test_methods_setter_passes_other_objects_on(self, scenario: Scenario) -> None:
        """The function of setter(other) binds only event loops (and None), and calls `other` with other objects."""
        handed: list[Any] = []
        put = scenario.answer("setter", lambda: scenario.resolver.setter(handed.append))
        bound = scenario.loop()
        scenario.here.set(bound)
        for thing in "no loop", AbstractEventLoop, False:
            scenario.note(f"in {scenario.here.name}: what setter(other) returned is called with {thing!r}")
            scenario.answer("what setter() returned", lambda: put(thing))  # noqa: B023 - called at once
            if handed != [thing]:
                scenario.broken(f"other was called with {handed!r} and not with {[thing]!r}", _NO_LOOP)
            handed.clear()
            scenario.here.expect(bound, "which was set there before", _NO_LOOP)

    @law(0)
    def test_methods_clear_leaves_no_loop(self, scenario: Scenario) -> None:
        """clear() leaves a context without a loop, whether a loop was set, leased, or set over a lease."""
        for context in scenario.anywhere():
            context.bind(scenario.loop())
            _clear(scenario, context)
            context.lease()
            _clear(scenario, context)
            context.lease()
            context.bind(scenario.loop())
            _clear(scenario, context)

    @law(0)
    def test_methods_binding_changed_sees_every_change(self, scenario: Scenario) -> None:
        """binding_changed() of a subclass is called after a set, a lease, the start or end of a scope, and clear()."""
        changes = _record_changes(scenario.resolver)
        with install(scenario.policy):
            for context in scenario.anywhere():
                for step in _steps_that_bind(scenario, context):
                    before = context.get()
                    changes.clear()
                    step()
                    after = context.get()
                    expected = [] if after is before else [(before, after)]
                    if changes != expected:
                        calls = [tuple(map(scenario.formatted, each)) for each in changes]
                        scenario.broken(f"binding_changed() was called with {calls} in {context.name}", _REPORTED)


_Change = tuple[AbstractEventLoop | None, AbstractEventLoop | None]


def _record_changes(resolver: ContextResolver) -> list[_Change]:
    """Make ``resolver`` override ``binding_changed()``; return a list of the arguments of its calls."""
    changes: list[_Change] = []

    def binding_changed(_: Any, previous: AbstractEventLoop | None, current: AbstractEventLoop | None) -> None:
        changes.append((previous, current))

    kind = type(resolver)
    resolver.__class__ = type(kind.__name__, (kind,), {"binding_changed": binding_changed})
    return changes


def _steps_that_bind(scenario: Scenario, context: Context) -> list[Callable[[], object]]:
    def run(what: str, function: Callable[[], object]) -> None:
        scenario.note(f"in {context.name}: {what}")
        context.run(lambda: scenario.answer(what, function))

    scope = fresh_loop()
    loops = [scenario.loop(), scenario.loop()]
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
        lambda: run("clear", scenario.resolver.bindings.clear),
        lambda: context.set(None),
    ]


def _clear(scenario: Scenario, context: Context) -> None:
    scenario.note(f"in {context.name}: clear()")
    context.run(lambda: scenario.answer("clear", scenario.resolver.bindings.clear))
    context.expect(None, "after clear() there", _CLEARED)
