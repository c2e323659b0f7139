"""Scopes: a loop is bound while a block runs; afterwards the previous loop is bound again."""

from __future__ import annotations

from typing import Final

from ctxpolicy._policy.install import install
from ctxpolicy.testing._harness.description import Description
from ctxpolicy.testing._harness.scenario import Context, Scenario
from ctxpolicy.testing._laws.decorator import law
from ctxpolicy.testing._laws.leases import keeps_leases

__all__ = ["ScopeLaws"]

_BOUND: Final = "enter_scope() must bind the loop of the scope, and leave_scope() the previous one."
_STANDS: Final = "Store the value that store() is given, unchanged."


class ScopeLaws(Description):
    """The tests of scopes (`with fresh_loop()`)."""

    @law(0)
    def test_methods_a_scope_binds_its_loop_and_restores_the_previous_one(self, scenario: Scenario) -> None:
        """A scope, and a scope inside it, restore what was bound before: no loop, a set loop, or a leased loop."""
        with install(scenario.policy):
            for context in scenario.anywhere():
                _check_scopes(scenario, context)
                context.bind(scenario.loop())
                _check_scopes(scenario, context)
                context.bind(None)
                context.lease()
                _check_scopes(scenario, context)


def _check_scopes(scenario: Scenario, context: Context) -> None:
    before = context.get()
    with context.scope() as outer:
        context.expect(outer, "the loop of the scope", _BOUND)
        with context.scope() as inner:
            context.expect(inner, "the loop of the inner scope", _BOUND)
        context.expect(outer, "the loop of the scope, after the inner scope", _BOUND)
        context.bind(scenario.loop())
        context.bind(None)
        if keeps_leases(scenario.resolver):
            context.expect(outer, "the loop of the scope, after set(None) in it", _STANDS)
    context.expect(before, "which was bound there before the scope", _BOUND)
