"""Laws 1, 2, 3 and 5: what is bound to a context, and what a new one starts with."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable

from ctxpolicy.testing._fake_loop import AlwaysEqualLoop
from ctxpolicy.testing._harness.description import Description
from ctxpolicy.testing._harness.scenario import Context, Scenario
from ctxpolicy.testing._laws.decorator import law

__all__ = ["BindingLaws"]

_DIFFERENT = (
    "Keep what is bound per context. (Does new_context() enter the same context twice? Is there only one? "
    "Then say one_context = True.)"
)


class BindingLaws(Description):
    """The tests of what is bound by hand."""

    @law(1)
    def test_law_1_what_is_set_is_got_until_the_next_set(self, play: Scenario) -> None:
        """Each of several contexts keeps what was set last, for as often as it is asked."""
        for context in play.anywhere():
            for loop in play.loop(), play.loop():
                context.set(loop)
                for _ in range(3):
                    context.expect(loop, "which was set there last")

    @law(1)
    def test_law_1_loops_are_told_apart_by_identity(self, play: Scenario) -> None:
        """A loop that is false and equal to all others (a mock, say) is bound as any other."""
        for loop in play.loop(AlwaysEqualLoop), play.loop(AlwaysEqualLoop):
            play.here.set(loop)
            play.here.expect(loop, "which was set there last", "Compare loops with `is`; test for `is None`.")

    @law(1)
    def test_law_1_a_closed_loop_stays_bound(self, play: Scenario) -> None:
        """Who has set a loop may close it: it is bound until the next set all the same, as asyncio has it."""
        for context in play.anywhere():
            loop = play.loop()
            context.set(loop)
            loop.close()
            play.note(f"{loop!r} is closed")
            context.expect(loop, "which was set there last", "Hand a closed loop out too, as asyncio does.")

    @law(1)
    def test_law_1_every_way_of_setting_binds(self, play: Scenario) -> None:
        """set(), what the policy calls for it, and the policy's set_event_loop() do the same."""
        policy = play.policy
        ways = {
            "set": play.resolver.set,
            "bindings.bind": lambda loop: play.resolver.bindings.bind(loop),
            "set_event_loop": policy.set_event_loop,
        }
        for name, way in ways.items():
            for context in play.context(), play.here:
                loop = play.loop()
                _bind(play, context, name, way, loop)
                context.expect(loop, f"which {name}() had bound there")
                asked = context.run(policy.get_event_loop)
                if asked is not loop:
                    play.broken(f"the policy's get_event_loop() returned {asked!r} and not {loop!r}")

    @law(2)
    def test_law_2_contexts_that_exist_do_not_change_each_other(self, play: Scenario) -> None:
        """What is set or unset in one of several contexts shows in none of the others."""
        if self.one_context:
            return self._one_for_all(play)
        contexts = {play.context(): None, play.context(): None, play.thread(): None, play.here: None}
        bound: dict[Context, AbstractEventLoop | None] = dict(contexts)
        for loop in [play.loop(), play.loop(), None]:
            for context in contexts:
                bound[context] = loop and play.loop()
                context.set(bound[context])
                for other, kept in bound.items():
                    other.expect(kept, f"after a set in {context.name}", _DIFFERENT)
        return None

    @law(2)
    def test_law_2_parent_and_child_do_not_change_each_other(self, play: Scenario) -> None:
        """After a context was made in another, neither sees what is set in the other, whatever it started with."""
        if self.one_context:
            return
        parent = play.context()
        first, second, third = play.loop(), play.loop(), play.loop()
        parent.set(first)
        child, untouched = play.context(parent), play.context(parent)
        started_with = untouched.get()
        child.set(second)
        parent.expect(first, f"after a set in its child {child.name}", _DIFFERENT)
        parent.set(third)
        child.expect(second, f"after a set in its parent {parent.name}", _DIFFERENT)
        untouched.expect(started_with, f"with which it started, after a set in its parent {parent.name}", _DIFFERENT)
        child.set(None)
        parent.expect(third, f"after set(None) in its child {child.name}", _DIFFERENT)

    def _one_for_all(self, play: Scenario) -> None:
        loop = play.loop()
        play.here.set(loop)
        for context in play.context(), play.thread():
            if context.get() is not loop:
                play.lie(f"one_context = True, but what is set in {play.here.name} does not show in {context.name}")

    @law(3)
    def test_law_3_a_new_context_starts_as_described(self, play: Scenario) -> None:
        """A context made inside another has that one's loop, or none, as `inherits` says."""
        outer = play.context()
        for parent in outer, play.context(outer):
            loop = play.loop()
            parent.set(loop)
            child = play.context(parent)
            found = child.get()
            if self.one_context or (self.inherits and found is loop):
                continue
            if found is loop:
                play.lie(
                    f"it says that a new context starts empty, and {child.name} starts with the loop of "
                    f"{parent.name}. Say inherits = True, or mend the resolver"
                )
            if self.inherits:
                play.lie(
                    f"it says that a new context inherits, and {child.name} starts with {found!r} and not with "
                    f"the loop of {parent.name}. Say inherits = False, or mend the resolver"
                )
            child.expect(None, "where a new context starts empty")

    @law(3)
    def test_law_3_a_context_made_in_an_unbound_one_starts_empty(self, play: Scenario) -> None:
        """What was unset in the parent before is not inherited."""
        parent = play.context()
        parent.set(play.loop())
        parent.set(None)
        play.context(parent).expect(None, f"where nothing is bound in {parent.name}, in which it was made")

    @law(3)
    def test_law_3_a_new_thread_starts_as_described(self, play: Scenario) -> None:
        """A plain thread has the loop of the context that started it, or none, as `thread_inherits` says."""
        parent, loop = play.context(), play.loop()
        parent.set(loop)
        found = play.thread(parent).get()
        inherits = self.thread_inherits or self.one_context
        if found is not (loop if inherits else None):
            play.lie(
                f"thread_inherits is {self.thread_inherits}, and a thread started in {parent.name}, where {loop!r} "
                f"is bound, starts with {found!r}. Mend the description, or the resolver"
            )

    @law(5)
    def test_law_5_set_none_removes_what_was_set(self, play: Scenario) -> None:
        """set(None) removes what was set, is harmless where nothing is, and a loop can be set again after."""
        for context in play.anywhere():
            loop = play.loop()
            for each in (None, loop, None, None, loop, None):
                context.set(each)
                context.expect(each, "which was set there last", "set(None) must remove what was set by hand.")


def _bind(
    play: Scenario,
    context: Context,
    name: str,
    way: Callable[[AbstractEventLoop | None], None],
    loop: AbstractEventLoop,
) -> None:
    play.note(f"in {context.name}: {name}({loop!r})")
    context.run(lambda: play.answer(name, lambda: way(loop)))
