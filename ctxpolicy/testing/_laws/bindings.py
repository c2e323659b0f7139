"""Laws 1, 2, 3 and 5: the loop that is bound to a context, and the loop with which a new context starts."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable

from ctxpolicy.testing._fake_loop import AlwaysEqualLoop
from ctxpolicy.testing._harness.description import Description
from ctxpolicy.testing._harness.scenario import Context, Scenario
from ctxpolicy.testing._laws.decorator import law

__all__ = ["BindingLaws"]

_DIFFERENT = (
    "Keep one binding per context. (Does new_context() enter the same context twice? If there is only one context, "
    "set one_context = True.)"
)


class BindingLaws(Description):
    """The tests of loops that are set."""

    @law(1)
    def test_law_1_get_returns_the_loop_that_was_set_last(self, scenario: Scenario) -> None:
        """get() returns the loop that was set last in the same context, at each call."""
        for context in scenario.anywhere():
            for loop in scenario.loop(), scenario.loop():
                context.set(loop)
                for _ in range(3):
                    context.expect(loop, "which was set there last")

    @law(1)
    def test_law_1_loops_are_told_apart_by_identity(self, scenario: Scenario) -> None:
        """A loop that is false and compares equal to all others (a mock, for example) is bound like any other loop."""
        for loop in scenario.loop(AlwaysEqualLoop), scenario.loop(AlwaysEqualLoop):
            scenario.here.set(loop)
            scenario.here.expect(loop, "which was set there last", "Compare loops with `is`; test for `is None`.")

    @law(1)
    def test_law_1_a_closed_loop_stays_bound(self, scenario: Scenario) -> None:
        """A loop that was closed after it was set stays bound until the next set, as in asyncio."""
        for context in scenario.anywhere():
            loop = scenario.loop()
            context.set(loop)
            loop.close()
            scenario.note(f"{loop!r} is closed")
            context.expect(loop, "which was set there last", "Hand a closed loop out too, as asyncio does.")

    @law(1)
    def test_law_1_every_way_of_setting_binds(self, scenario: Scenario) -> None:
        """set(), bindings.bind() and the policy's set_event_loop() all bind the loop."""
        policy = scenario.policy
        ways = {
            "set": scenario.resolver.set,
            "bindings.bind": lambda loop: scenario.resolver.bindings.bind(loop),
            "set_event_loop": policy.set_event_loop,
        }
        for name, way in ways.items():
            for context in scenario.context(), scenario.here:
                loop = scenario.loop()
                _bind(scenario, context, name, way, loop)
                context.expect(loop, f"which {name}() had bound there")
                asked = context.run(policy.get_event_loop)
                if asked is not loop:
                    scenario.broken(f"the policy's get_event_loop() returned {asked!r} and not {loop!r}")

    @law(2)
    def test_law_2_contexts_that_exist_do_not_change_each_other(self, scenario: Scenario) -> None:
        """A set or an unset in one context does not change the loop of another context."""
        if self.one_context:
            return self._one_for_all(scenario)
        contexts = {scenario.context(): None, scenario.context(): None, scenario.thread(): None, scenario.here: None}
        bound: dict[Context, AbstractEventLoop | None] = dict(contexts)
        for loop in [scenario.loop(), scenario.loop(), None]:
            for context in contexts:
                bound[context] = loop and scenario.loop()
                context.set(bound[context])
                for other, kept in bound.items():
                    other.expect(kept, f"after a set in {context.name}", _DIFFERENT)
        return None

    @law(2)
    def test_law_2_parent_and_child_do_not_change_each_other(self, scenario: Scenario) -> None:
        """After a context was made inside another context, a set in one of the two does not change the other."""
        if self.one_context:
            return
        parent = scenario.context()
        first, second, third = scenario.loop(), scenario.loop(), scenario.loop()
        parent.set(first)
        child, untouched = scenario.context(parent), scenario.context(parent)
        started_with = untouched.get()
        child.set(second)
        parent.expect(first, f"after a set in its child {child.name}", _DIFFERENT)
        parent.set(third)
        child.expect(second, f"after a set in its parent {parent.name}", _DIFFERENT)
        untouched.expect(started_with, f"with which it started, after a set in its parent {parent.name}", _DIFFERENT)
        child.set(None)
        parent.expect(third, f"after set(None) in its child {child.name}", _DIFFERENT)

    def _one_for_all(self, scenario: Scenario) -> None:
        loop = scenario.loop()
        scenario.here.set(loop)
        for context in scenario.context(), scenario.thread():
            if context.get() is not loop:
                scenario.bad_description(
                    f"one_context = True, but what is set in {scenario.here.name} does not show in {context.name}"
                )

    @law(3)
    def test_law_3_a_new_context_starts_as_described(self, scenario: Scenario) -> None:
        """A context inside another context starts with its loop or without a loop, as `inherits` says."""
        outer = scenario.context()
        for parent in outer, scenario.context(outer):
            loop = scenario.loop()
            parent.set(loop)
            child = scenario.context(parent)
            found = child.get()
            if self.one_context or (self.inherits and found is loop):
                continue
            if found is loop:
                scenario.bad_description(
                    f"it says that a new context starts empty, and {child.name} starts with the loop of "
                    f"{parent.name}. Set inherits = True, or fix the resolver"
                )
            if self.inherits:
                scenario.bad_description(
                    f"it says that a new context inherits, and {child.name} starts with {found!r} and not with "
                    f"the loop of {parent.name}. Set inherits = False, or fix the resolver"
                )
            child.expect(None, "though a new context must start empty")

    @law(3)
    def test_law_3_a_context_made_in_an_unbound_one_starts_empty(self, scenario: Scenario) -> None:
        """A context whose parent has no loop because it was unset starts without a loop."""
        parent = scenario.context()
        parent.set(scenario.loop())
        parent.set(None)
        scenario.context(parent).expect(None, f"though no loop is bound in {parent.name}, in which it was made")

    @law(3)
    def test_law_3_a_new_thread_starts_as_described(self, scenario: Scenario) -> None:
        """A plain thread starts with the loop of its starter's context or without a loop, as `thread_inherits` says."""
        parent, loop = scenario.context(), scenario.loop()
        parent.set(loop)
        found = scenario.thread(parent).get()
        inherits = self.thread_inherits or self.one_context
        if found is not (loop if inherits else None):
            scenario.bad_description(
                f"thread_inherits is {self.thread_inherits}, and a thread started in {parent.name}, where {loop!r} "
                f"is bound, starts with {found!r}. Fix the description or the resolver"
            )

    @law(5)
    def test_law_5_set_none_removes_what_was_set(self, scenario: Scenario) -> None:
        """set(None) unbinds the loop that was set, and does nothing if none is bound. A loop can be set afterwards."""
        for context in scenario.anywhere():
            loop = scenario.loop()
            for each in (None, loop, None, None, loop, None):
                context.set(each)
                context.expect(each, "which was set there last", "set(None) must remove the loop that was set.")


def _bind(
    scenario: Scenario,
    context: Context,
    name: str,
    way: Callable[[AbstractEventLoop | None], None],
    loop: AbstractEventLoop,
) -> None:
    scenario.note(f"in {context.name}: {name}({loop!r})")
    context.run(lambda: scenario.answer(name, lambda: way(loop)))
