"""What enter(), holds() and leave() are for: a loop for the length of a block, and then what was bound before."""

from __future__ import annotations

from typing import Final

from ctxpolicy._policy.install import install
from ctxpolicy.testing._harness.description import Description
from ctxpolicy.testing._harness.scenario import Context, Scenario
from ctxpolicy.testing._laws.decorator import law
from ctxpolicy.testing._laws.leases import keeps_leases

__all__ = ["ScopeLaws"]

_BOUND: Final = "enter() must bind the loop of the scope, and leave() what was bound before it."
_STANDS: Final = "Store bindings as they are given, with their lease and scope."


class ScopeLaws(Description):
    """The tests of scopes (`with fresh_loop()`)."""

    @law(0)
    def test_methods_a_scope_has_its_loop_and_restores_what_was_bound(self, play: Scenario) -> None:
        """A scope, and one inside of it, over no loop, one that was set by hand, and a leased one."""
        with install(play.policy):
            for context in play.anywhere():
                _see_scopes(play, context)
                context.bind(play.loop())
                _see_scopes(play, context)
                context.bind(None)
                context.lease()
                _see_scopes(play, context)


def _see_scopes(play: Scenario, context: Context) -> None:
    before = context.get()
    with context.scope() as outer:
        context.expect(outer, "the loop of the scope", _BOUND)
        with context.scope() as inner:
            context.expect(inner, "the loop of the scope inside of the scope", _BOUND)
        context.expect(outer, "the loop of the scope, after one inside of it", _BOUND)
        context.bind(play.loop())
        context.bind(None)
        if keeps_leases(play.resolver):
            context.expect(outer, "the loop of the scope, after set(None) in it", _STANDS)
    context.expect(before, "which was bound there before the scope", _BOUND)
