"""Laws 3, 5 and 6 of leases: the loops that a policy makes for contexts, beside what asyncio.run() binds."""

from __future__ import annotations

import gc
from asyncio import AbstractEventLoop

from ctxpolicy.resolvers.base import ContextResolver
from ctxpolicy.testing._harness.description import Description
from ctxpolicy.testing._harness.scenario import Scenario
from ctxpolicy.testing._laws.decorator import law

__all__ = ["LeaseLaws", "keeps_leases"]

_KEEP = "Derive from SlotResolver, or keep the binding's lease as well as its loop."


class LeaseLaws(Description):
    """The tests of what is leased (``missing="create"``)."""

    @law(5)
    def test_law_5_a_lease_shows_again_after_what_was_set_by_hand(self, play: Scenario) -> None:
        """A context keeps its leased loop, under what is set by hand too, until the context ends."""
        for context in play.here, play.context(), play.thread():
            loop = context.lease()
            hand = play.loop()
            context.bind(hand)
            context.expect(hand, "which was set over the lease")
            context.bind(None)
            if keeps_leases(play.resolver):
                _see_open(play, loop)
                context.expect(loop, "the lease that stands there", _KEEP)

    @law(5)
    def test_law_5_after_asyncio_run_a_context_has_what_it_leased(self, play: Scenario) -> None:
        """asyncio.run() ends with set_event_loop(None): a lease is there again after, and else nothing is bound."""
        for context in [play.here] if self.one_context else list(play.anywhere()):
            if not context.asyncio_run():
                continue
            context.expect(None, "after asyncio.run() there")
            loop = context.lease()
            context.asyncio_run()
            if keeps_leases(play.resolver):
                context.expect(loop, "the lease that stands there", _KEEP)

    @law(3)
    def test_law_3_a_child_that_inherits_inherits_the_lease_too(self, play: Scenario) -> None:
        """A leased loop stays open as long as a child that began with it; other children get one of their own."""
        if self.one_context or not keeps_leases(play.resolver):
            return
        parent = play.context()
        loop = parent.lease()
        child = play.context(parent)
        if not self.inherits:
            if child.lease() is loop:
                play.broken(f"{child.name} has the lease of {parent.name}, where a new context starts empty")
            return
        child.expect(loop, f"the lease of {parent.name}, which it inherits", _KEEP)
        parent.end()
        gc.collect()
        _see_open(play, loop)
        child.bind(play.loop())
        child.bind(None)
        child.expect(loop, "the inherited lease", _KEEP)

    @law(6)
    def test_law_6_a_leased_loop_is_closed_when_its_context_is_gone(self, play: Scenario) -> None:
        """A lease ends with the last context that has it: its loop is closed, and not before."""
        if self.one_context or not keeps_leases(play.resolver):
            return
        context = play.context()
        loop = context.lease()
        gc.collect()
        _see_open(play, loop)
        context.end()
        for _ in range(6):  # PyPy takes a cycle with finalizers in several rounds
            gc.collect()
            if loop.is_closed():
                return
        what = f"{play.told(loop)} is open, though {context.name}, which it was leased for, is gone"
        loop.close()
        play.broken(what, "Keep the lease in the context itself, or with what dies with it.")


def keeps_leases(resolver: ContextResolver) -> bool:
    """Tell whether leases end with their contexts; by default they end at the next set."""
    return resolver.bindings.keeps_leases


def _see_open(play: Scenario, loop: AbstractEventLoop) -> None:
    __tracebackhide__ = True
    if loop.is_closed():
        play.broken(f"{play.told(loop)} was closed though its lease stands", _KEEP)
