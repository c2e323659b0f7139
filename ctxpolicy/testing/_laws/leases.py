"""Laws 3, 5 and 6 for leases (the loops that a policy makes for contexts), and for the loops of asyncio.run()."""

from __future__ import annotations

import gc
from asyncio import AbstractEventLoop

from ctxpolicy.resolvers.base import ContextResolver
from ctxpolicy.testing._harness.description import Description
from ctxpolicy.testing._harness.scenario import Scenario
from ctxpolicy.testing._laws.decorator import law

__all__ = ["LeaseLaws", "keeps_leases"]

_KEEP = "Derive from SlotResolver, and store the value that store() is given, unchanged."


class LeaseLaws(Description):
    """The tests of leases (``missing="create"``)."""

    @law(5)
    def test_law_5_a_lease_is_bound_again_after_another_loop_was_set(self, scenario: Scenario) -> None:
        """A context keeps its leased loop until the context ends, also while another loop is set over it."""
        for context in scenario.here, scenario.context(), scenario.thread():
            loop = context.lease()
            hand = scenario.loop()
            context.bind(hand)
            context.expect(hand, "which was set over the lease")
            context.bind(None)
            if keeps_leases(scenario.resolver):
                _check_open(scenario, loop)
                context.expect(loop, "the lease, which has not ended", _KEEP)

    @law(5)
    def test_law_5_after_asyncio_run_the_lease_is_bound_again(self, scenario: Scenario) -> None:
        """asyncio.run() ends with set_event_loop(None). After that a lease is bound again, or no loop is bound."""
        for context in [scenario.here] if self.one_context else list(scenario.anywhere()):
            if not context.asyncio_run():
                continue
            context.expect(None, "after asyncio.run() there")
            loop = context.lease()
            context.asyncio_run()
            if keeps_leases(scenario.resolver):
                context.expect(loop, "the lease, which has not ended", _KEEP)

    @law(3)
    def test_law_3_a_child_that_inherits_inherits_the_lease_too(self, scenario: Scenario) -> None:
        """A leased loop stays open while a child that inherits it exists. Other children get loops of their own."""
        if self.one_context or not keeps_leases(scenario.resolver):
            return
        parent = scenario.context()
        loop = parent.lease()
        child = scenario.context(parent)
        if not self.inherits:
            if child.lease() is loop:
                scenario.broken(f"{child.name} has the lease of {parent.name}, but a new context must start empty")
            return
        child.expect(loop, f"the lease of {parent.name}, which it inherits", _KEEP)
        parent.end()
        gc.collect()
        _check_open(scenario, loop)
        child.bind(scenario.loop())
        child.bind(None)
        child.expect(loop, "the inherited lease", _KEEP)

    @law(6)
    def test_law_6_a_leased_loop_is_closed_when_its_context_is_gone(self, scenario: Scenario) -> None:
        """A lease ends with the last context that has the lease. Its loop is closed then, and not before."""
        if self.one_context or not keeps_leases(scenario.resolver):
            return
        context = scenario.context()
        loop = context.lease()
        gc.collect()
        _check_open(scenario, loop)
        context.end()
        for _ in range(6):  # PyPy needs several collections for a cycle with finalizers
            gc.collect()
            if loop.is_closed():
                return
        what = f"{scenario.formatted(loop)} is open, though {context.name}, which it was leased for, is gone"
        loop.close()
        scenario.broken(what, "Keep the lease in the context itself, or in an object that ends with the context.")


def keeps_leases(resolver: ContextResolver) -> bool:
    """Return whether leases end with their contexts; if not, they end at the next set_event_loop()."""
    return resolver.bindings.keeps_leases


def _check_open(scenario: Scenario, loop: AbstractEventLoop) -> None:
    __tracebackhide__ = True
    if loop.is_closed():
        scenario.broken(f"{scenario.formatted(loop)} was closed though its lease has not ended", _KEEP)
