"""Law 4: the threads and processes in which a bound loop is handed out."""

from __future__ import annotations

import contextvars
import gc
import os
import unittest
from threading import get_ident
from typing import Final

from ctxpolicy.testing._fake_loop import StandInLoop
from ctxpolicy.testing._harness.contexts import in_new_thread
from ctxpolicy.testing._harness.description import Description
from ctxpolicy.testing._harness.forked_child import look_around_in_child
from ctxpolicy.testing._harness.new_process import run_elsewhere
from ctxpolicy.testing._harness.scenario import NOT_ENTERED, Context, Scenario
from ctxpolicy.testing._laws.decorator import law

__all__ = ["OwnerLaws"]

_OWNER: Final = "Keep threading.get_ident() with the loop, and compare it in get(), as SlotResolver does."
_OR_SAY_SO: Final = f"{_OWNER} (If the loop is meant to be handed out there, set any_thread = True.)"
_FORK: Final = (
    "Keep os.getpid() with the loop, as SlotResolver does, or forget the loops of all contexts in after_fork()."
)
_ENOUGH: Final = 50_000
_IDENTITY: Final = "Keep the objects themselves (in the context, or weakly), never their id(): ids are reused."


class OwnerLaws(Description):
    """The tests of the threads and processes in which a loop may be used."""

    @law(4)
    def test_law_4_another_thread_is_not_handed_the_loop(self, scenario: Scenario) -> None:
        """A thread that enters the context of another thread is handed no loop there, unless `any_thread` is true."""
        any_thread = self.any_thread or self.one_context
        loop, context = scenario.loop(), scenario.here if self.one_context else scenario.context()
        context.set(loop)
        found = context.visit()
        if any_thread and found is not loop:
            scenario.bad_description(
                f"it says any_thread = True, but another thread in {context.name} is not handed the loop"
            )
        if not any_thread and found not in (None, NOT_ENTERED):
            scenario.broken(f"another thread that entered {context.name} was handed {found!r}", _OR_SAY_SO)
        context.expect(loop, "which was set there; another thread was there since, and set nothing")

    @law(4)
    def test_law_4_a_copied_contextvars_context_hands_no_loop_to_another_thread(self, scenario: Scenario) -> None:
        """A thread in a copy of the contextvars context, as asyncio.to_thread() makes it, is handed no loop."""
        if self.any_thread or self.one_context:
            return
        for context in scenario.here, scenario.context(), scenario.thread():
            loop = scenario.loop()
            context.set(loop)
            copied = context.run(contextvars.copy_context)
            found = in_new_thread(lambda: copied.run(scenario.ask))  # noqa: B023 - called at once
            scenario.note(f"in another thread with a copy of the contextvars context of {context.name}: {found!r}")
            if found is not None:
                scenario.broken(f"asyncio.to_thread(), called in {context.name}, would hand on {found!r}", _OR_SAY_SO)

    @law(4)
    def test_law_4_an_object_with_a_reused_id_is_not_mistaken_for_the_earlier_one(self, scenario: Scenario) -> None:
        """A loop or a context at the address of an earlier one is not mistaken for the earlier one."""
        used = self._come_and_go(scenario)
        gc.collect()
        for context in scenario.here, scenario.thread():
            loop = _loop_at(used)
            context.set(loop)
            context.expect(loop, "which was set there; it has the id of one that was bound elsewhere before", _IDENTITY)

    def _come_and_go(self, scenario: Scenario) -> set[int]:
        """Make and end 40 contexts, each with a loop of its own; return the addresses of the loops."""
        loops = [scenario.loop() for _ in range(40)]
        for number, loop in enumerate(loops):
            # A collection frees the address of a context that is part of a reference cycle. Full collections are slow.
            gc.collect(2 if number % 10 == 0 else 0)
            context = scenario.context()
            context.expect(None, "though no loop was bound there", _IDENTITY)
            context.set(loop)
            if self.one_context:
                context.set(None)
            context.end()
            scenario.steps.clear()
        scenario.note("40 contexts, one after the other, each with a loop of its own, have come and gone")
        return set(map(id, loops))

    @law(4)
    def test_law_4_a_forked_child_is_not_handed_the_loop(self, scenario: Scenario) -> None:
        """In a forked child no context has a loop, a loop can be set, and the parent's bindings do not change."""
        if not hasattr(os, "fork"):
            raise unittest.SkipTest("this platform has no fork")
        # In a new process: a process with threads, as a test run may be, must not be forked.
        run_elsewhere(self, ["run_in_forked_children"])

    @law(4)
    def run_in_forked_children(self, scenario: Scenario) -> None:
        """Run the part of the test that runs in the new process."""
        bound = {context: scenario.loop() for context in self._contexts_to_fork_in(scenario)}
        for context, loop in bound.items():
            context.set(loop)
        other = scenario.loop()
        for context in bound:
            # Only from the test's own context: inside one of the other contexts, the rest cannot be entered, because
            # two tasks of a thread do not run at once.
            others = [each for each in bound if context is scenario.here and _of_this_thread(each)]
            told = context.run(lambda: look_around_in_child(scenario, others, other))  # noqa: B023 - called at once
            scenario.note(f"a child is forked in {context.name}")
            if told:
                scenario.broken(f"in the forked child {told}", _FORK)
        for context, loop in bound.items():
            context.expect(loop, "which was set there before the forks")

    def _contexts_to_fork_in(self, scenario: Scenario) -> list[Context]:
        return [scenario.here] if self.one_context else [scenario.here, scenario.context(), scenario.context()]


def _loop_at(addresses: set[int]) -> StandInLoop:
    """Return a loop at one of the addresses, or at another address on a Python that does not reuse addresses."""
    others: list[StandInLoop] = []  # kept alive, so that the next loop has another address
    # Without __init__(), which makes objects that might take the addresses.
    loop = StandInLoop.__new__(StandInLoop)
    while id(loop) not in addresses and len(others) < _ENOUGH:
        others.append(loop)
        loop = StandInLoop.__new__(StandInLoop)
    StandInLoop.__init__(loop, "the loop at a used address")
    return loop


def _of_this_thread(context: Context) -> bool:
    """Return whether ``context`` runs functions in the present thread, which is the only thread in a forked child."""
    return context.run(get_ident) == get_ident()
