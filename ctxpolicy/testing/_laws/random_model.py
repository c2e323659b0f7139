"""All laws at once: a resolver is compared with a plain model in random steps. Only this module needs hypothesis."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from copy import copy
from typing import NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ctxpolicy.testing._errors import ALL_LAWS
from ctxpolicy.testing._harness.description import Description
from ctxpolicy.testing._harness.scenario import NOT_ENTERED, Context, Scenario
from ctxpolicy.testing._laws.leases import keeps_leases

__all__ = ["compare_with_model", "machine_of"]

_STEPS = 20
_which = st.integers(min_value=0, max_value=9)


class _Slot(NamedTuple):
    """The loops of one context in the model: the loop that was set, and the leased loop."""

    hand: AbstractEventLoop | None = None
    lease: AbstractEventLoop | None = None

    @property
    def loop(self) -> AbstractEventLoop | None:
        return self.lease if self.hand is None else self.hand


def compare_with_model(description: Description) -> None:
    """Do random steps. Check after each step that each context has the loop that the model has for it."""
    run_state_machine_as_test(
        machine_of(description),
        settings=settings(
            max_examples=description.model_examples,
            stateful_step_count=_STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
        ),
    )


def machine_of(description: Description) -> type[Machine]:
    """Return the state machine that does the steps in the contexts of ``description``."""
    return type("Machine", (Machine,), {"description_given": description})


class Machine(RuleBasedStateMachine):
    """A state machine. Its model is ``slots``, with one slot for each context. A context that inherits gets a copy."""

    description_given: Description

    def __init__(self) -> None:
        super().__init__()
        self.described = copy(self.description_given)  # a copy, because the scenario of the test uses the original
        self.scenario = Scenario(self.described, ALL_LAWS)
        self.slots: dict[Context, _Slot] = {}
        self._make(None, _Slot())

    def teardown(self) -> None:
        self.scenario.close()

    @rule(which=_which)
    def make_context(self, which: int) -> None:
        parent = self._context(which)
        inherits = self.described.inherits or self.described.one_context
        self._make(parent, self.slots[parent] if inherits else _Slot())

    @rule(which=_which)
    def set_loop(self, which: int) -> None:
        self._set(self._context(which), self.scenario.loop())

    @rule(which=_which)
    def unset(self, which: int) -> None:
        self._set(self._context(which), None)

    @rule(which=_which)
    def end_context(self, which: int) -> None:
        context = self._context(which)
        if len(self.slots) > 1:
            del self.slots[context]
            context.end()

    @rule(which=_which)
    def lease(self, which: int) -> None:
        context = self._context(which)
        if keeps_leases(self.scenario.resolver):
            loop = context.lease()
            if self.slots[context].loop is None:
                self._put(context, _Slot(lease=loop))

    @rule(which=_which)
    def asyncio_run(self, which: int) -> None:
        context = self._context(which)
        if context.asyncio_run():
            self._put(context, self.slots[context]._replace(hand=None))

    @rule(which=_which)
    def visit_from_another_thread(self, which: int) -> None:
        context = self._context(which)
        found = context.visit()
        any_thread = self.described.any_thread or self.described.one_context
        expected = self.slots[context].loop if any_thread else None
        if found is not expected and found is not NOT_ENTERED:
            self.scenario.broken(f"another thread in {context.name} was handed {found!r} and not {expected!r}")

    @rule(which=_which)
    def start_thread(self, which: int) -> None:
        starter = self._context(which)
        inherits = self.described.thread_inherits or self.described.one_context
        thread = self.scenario.thread(starter)
        thread.expect(self.slots[starter].loop if inherits else None, "with which a thread starts there")
        if not inherits:
            loop = self.scenario.loop()
            thread.set(loop)
            thread.expect(loop, "which was set there last")
        thread.end()

    @invariant()
    def each_context_has_its_loop(self) -> None:
        for context, slot in self.slots.items():
            context.expect(slot.loop, "which the model has for it")

    def _make(self, parent: Context | None, slot: _Slot) -> None:
        self.slots[self.scenario.context(parent)] = slot

    def _context(self, which: int) -> Context:
        contexts = list(self.slots)
        return contexts[which % len(contexts)]

    def _set(self, context: Context, loop: AbstractEventLoop | None) -> None:
        context.bind(loop)
        self._put(context, self.slots[context]._replace(hand=loop))

    def _put(self, context: Context, slot: _Slot) -> None:
        for each in self.slots if self.described.one_context else [context]:
            self.slots[each] = slot
