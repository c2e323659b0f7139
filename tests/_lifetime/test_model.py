"""Scopes, leases and block_on(), in any order and from many threads and contexts, behave as a simple model."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from asyncio import AbstractEventLoop
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import ctxpolicy
from ctxpolicy import BlockingError, ScopeError, block_on, fresh_loop
from tests._bridge.places import Place, Worker
from tests.support.policies import collect_garbage
from tests.support.resolver_cases import ResolverCase

# Whether unreferenced objects are freed at once.
AT_ONCE = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()
EXAMPLES = 30 if AT_ONCE else 10
TENANTS = [None, "acme", "globex"]
# Sixteen objects of each kind are enough for any state that matters. one() maps each number to an existing object.
numbers = st.integers(0, 15)


class Leased:
    """A loop that ctxpolicy made in a thread, for a context or a scope, and whether its lease was ended by hand."""

    def __init__(self, loop: AbstractEventLoop, worker: Worker) -> None:
        self.loop = loop
        self.worker = worker
        self.ended = False


class Slot(NamedTuple):
    """The binding of a context: a loop, the thread that bound it, the open lease, and the innermost scope's lease."""

    loop: AbstractEventLoop | None = None
    worker: Worker | None = None
    lease: Leased | None = None
    scope: Leased | None = None


class Scope(NamedTuple):
    block: Any
    place: Place
    lease: Leased
    previous: Slot | None


async def where() -> AbstractEventLoop:
    await asyncio.sleep(0)
    return asyncio.get_running_loop()


async def nested() -> tuple[AbstractEventLoop, AbstractEventLoop, AbstractEventLoop]:
    before = asyncio.get_running_loop()
    inner = block_on(where(), nested="isolated")
    return before, inner, await where()


async def hand_over(executor: ThreadPoolExecutor, context: contextvars.Context) -> AbstractEventLoop:
    return await asyncio.get_running_loop().run_in_executor(executor, context.run, lambda: block_on(where()))


class Machine(RuleBasedStateMachine):
    """Applies the same operations to ctxpolicy and to the model, and compares the results."""

    case: ResolverCase

    @initialize()
    def begin(self) -> None:
        self.resolver: Any = self.case.make()
        self.installation = ctxpolicy.install(self.resolver, missing="create")
        self.workers = [Worker()]
        self.places = [Place(self.case, self.workers[0], None, None)]
        self.slots: dict[Hashable, Slot | None] = {}
        self.scopes: list[Scope] = []
        self.leased: list[Leased] = []
        self.by_hand: list[AbstractEventLoop] = []
        self.closed_by_hand: list[AbstractEventLoop] = []

    def teardown(self) -> None:
        while self.scopes:  # regardless of what has happened in them, they can be left in order
            self.leave_a_scope(0, None)
            self.every_place_finds_its_bound_loop()
        self.slots.clear()
        while self.places:
            place = self.places.pop()
            place.run(self.resolver.bindings.clear)
            place.end()
        del place
        for worker in self.workers:
            worker.end()
        for name in TENANTS if hasattr(self.resolver, "release") else []:
            self.resolver.release(name)
        self.installation.uninstall()
        for loop in self.by_hand:
            loop.close()
        if not AT_ONCE:
            collect_garbage()
        assert all(lease.loop.is_closed() for lease in self.leased)

    # The model.

    def bound(self, place: Place) -> AbstractEventLoop | None:
        """Return the current loop of ``place``."""
        slot = self.slots.get(place.slot)
        if slot is None or not (self.case.any_thread or slot.worker is place.worker):
            return None
        return slot.loop

    def bind(self, place: Place, loop: AbstractEventLoop | None) -> None:
        slot = self.slots.get(place.slot) or Slot()
        lease = slot.lease if slot.lease is not None and stands(slot.lease) else None
        if loop is not None:
            self.slots[place.slot] = Slot(loop, place.worker, lease, slot.scope)
        elif lease is not None:
            self.slots[place.slot] = Slot(lease.loop, lease.worker, lease, slot.scope)
        else:
            self.slots[place.slot] = Slot(scope=slot.scope)

    def lease(self, place: Place, loop: AbstractEventLoop) -> Leased:
        assert loop not in [*self.by_hand, *(leased.loop for leased in self.leased)], "is a new one"
        leased = Leased(loop, place.worker)
        self.leased.append(leased)
        scope = (self.slots.get(place.slot) or Slot()).scope
        self.slots[place.slot] = Slot(loop, place.worker, leased, scope)
        return leased

    def expect_or_lease(self, place: Place, found: AbstractEventLoop) -> None:
        expected = self.bound(place)
        if expected is None:
            self.lease(place, found)
        else:
            assert found is expected

    def empty(self, slot: Hashable) -> None:
        previous = self.slots.pop(slot, None)
        if previous is not None and previous.scope is not None:
            self.slots[slot] = Slot(scope=previous.scope)

    def held(self) -> set[Leased]:
        slots = [*self.slots.values(), *(scope.previous for scope in self.scopes)]
        return {slot.lease for slot in slots if slot is not None and slot.lease is not None} | {
            scope.lease for scope in self.scopes
        }

    # Places.

    @precondition(lambda self: len(self.workers) < 3)
    @rule()
    def start_thread(self) -> None:
        self.workers.append(Worker())

    @precondition(lambda self: len(self.places) < 6)
    @rule(thread=numbers, parent=st.none() | numbers, name=st.sampled_from(TENANTS))
    def begin_context(self, thread: int, parent: int | None, name: str | None) -> None:
        above = None if parent is None else one(self.places, parent)
        place = Place(self.case, one(self.workers, thread), above, name)
        self.places.append(place)
        if above is not None and self.case.name.startswith("contextvar") and above.slot in self.slots:
            self.slots[place.slot] = self.slots[above.slot]

    @precondition(lambda self: len(self.places) > 1)
    @rule(number=numbers)
    def end_context(self, number: int) -> None:
        place = one(self.places, number)
        if any(scope.place is place for scope in self.scopes):
            return
        self.places.remove(place)
        if place.slot is place:
            self.slots.pop(place, None)
        place.end()

    # Bindings by hand.

    @rule(number=numbers)
    def set_a_loop(self, number: int) -> None:
        place, loop = one(self.places, number), asyncio.new_event_loop()
        self.by_hand.append(loop)
        place.run(asyncio.set_event_loop, loop)
        self.bind(place, loop)

    @rule(number=numbers)
    def set_none(self, number: int) -> None:
        place = one(self.places, number)
        place.run(asyncio.set_event_loop, None)
        self.bind(place, None)

    @rule(number=numbers)
    def close_the_bound_loop(self, number: int) -> None:
        place = one(self.places, number)
        loop = self.bound(place)
        if loop is not None:
            place.run(loop.close)
            self.closed_by_hand.append(loop)

    # Leases.

    @rule(number=numbers)
    def get(self, number: int) -> None:
        place = one(self.places, number)
        self.expect_or_lease(place, place.run(asyncio.get_event_loop))

    @rule(number=numbers)
    def release(self, number: int) -> None:
        place = one(self.places, number)
        slot = self.slots.get(place.slot)
        binding = place.run(self.resolver.binding)
        expected = slot.lease if slot is not None and slot.loop is not None else None
        if expected is None or not stands(expected):
            return
        assert binding.lease.loop is expected.loop
        place.run(binding.lease.release)
        expected.ended = True

    @rule(number=numbers)
    def clear(self, number: int) -> None:
        place = one(self.places, number)
        place.run(self.resolver.bindings.clear)
        self.empty(place.slot)

    @precondition(lambda self: self.case.name.startswith("keyed"))
    @rule(name=st.sampled_from(TENANTS[1:]))
    def release_a_key(self, name: str) -> None:
        self.resolver.release(name)
        for slot, bound in list(self.slots.items()):
            if slot == name or (isinstance(slot, tuple) and slot[0] == name):
                if bound is not None and bound.lease is not None:
                    bound.lease.ended = True
                self.empty(slot)

    # Scopes.

    @rule(number=numbers)
    def enter_a_scope(self, number: int) -> None:
        place, block = one(self.places, number), fresh_loop()
        previous = self.slots.get(place.slot)
        lease = self.lease(place, place.run(block.__enter__))
        self.slots[place.slot] = Slot(lease.loop, place.worker, lease, lease)
        self.scopes.append(Scope(block, place, lease, previous))

    @precondition(lambda self: self.scopes)
    @rule(scope=numbers, elsewhere=st.none() | numbers)
    def leave_a_scope(self, scope: int, elsewhere: int | None) -> None:
        left = one(list(reversed(self.scopes)), scope)
        place = left.place if elsewhere is None else one(self.places, elsewhere)
        slot = self.slots.get(place.slot)
        fits = place.slot == left.place.slot and place.worker is left.place.worker
        if fits and slot is not None and slot.scope is left.lease:
            place.run(left.block.__exit__, None, None, None)
            assert left.lease.loop.is_closed()
            left.lease.ended = True
            self.slots[place.slot] = left.previous
            self.scopes.remove(left)
        else:
            assert self.scopes.index(left) < len(self.scopes) - 1 or elsewhere is not None
            with pytest.raises(ScopeError):
                place.run(left.block.__exit__, None, None, None)

    # Runs.

    @rule(number=numbers)
    def asyncio_run(self, number: int) -> None:
        place = one(self.places, number)
        loop = place.run(lambda: asyncio.run(where()))
        assert loop.is_closed()
        self.bind(place, None)

    @rule(number=numbers)
    def block(self, number: int) -> None:
        place = one(self.places, number)
        loop = self.bound(place)
        if loop is not None and loop.is_closed():
            with pytest.raises(BlockingError, match="the loop of this context is closed"):
                place.run(lambda: block_on(where()))
        else:
            self.expect_or_lease(place, place.run(lambda: block_on(where())))

    @rule(number=numbers)
    def block_under_a_running_loop(self, number: int) -> None:
        place = one(self.places, number)
        loop = self.open_loop(place)
        if loop is not None:
            before, inner, after = place.run(lambda: loop.run_until_complete(nested()))
            assert before is after is loop is not inner
            assert inner.is_closed()

    @rule(number=numbers)
    def block_in_a_thread_while_the_loop_runs(self, number: int) -> None:
        place = one(self.places, number)
        loop = self.open_loop(place)
        if loop is not None:
            with ThreadPoolExecutor(1) as executor:
                context = place.context.copy()
                found = place.run(lambda: loop.run_until_complete(hand_over(executor, context)))
                assert (found is loop) is self.is_carried(place)

    def is_carried(self, place: Place) -> bool:
        """Return whether a thread with a copy of the contextvars context shares the context or inherits its loop."""
        return (self.case.any_thread and place.slot is not place.worker) or self.case.name == "contextvar"

    def open_loop(self, place: Place) -> AbstractEventLoop | None:
        """Return the loop of ``place``, leased if there is none; ``None`` if it is closed."""
        loop = place.run(asyncio.get_event_loop)
        self.expect_or_lease(place, loop)
        return None if loop.is_closed() else loop

    # Invariants.

    @invariant()
    def every_place_finds_its_bound_loop(self) -> None:
        for place in getattr(self, "places", ()):
            assert place.run(self.resolver.get) is self.bound(place)

    @invariant()
    def leases_end_with_their_last_context(self) -> None:
        held = self.held() if hasattr(self, "scopes") else set()
        for lease in getattr(self, "leased", ()):
            open_still = lease in held and not lease.ended and lease.loop not in self.closed_by_hand
            assert not lease.loop.is_closed() if open_still else lease.loop.is_closed() or not AT_ONCE

    @invariant()
    def loops_made_by_hand_are_closed_only_by_hand(self) -> None:
        for loop in getattr(self, "by_hand", ()):
            assert loop.is_closed() is (loop in self.closed_by_hand)


def stands(lease: Leased) -> bool:
    return not lease.ended and not lease.loop.is_closed()


def one(things: list[Any], number: int) -> Any:
    return things[number % len(things)]


def test_scopes_leases_and_blocking_calls_behave_as_the_model(resolver_case: ResolverCase):
    machine = type("Machine", (Machine,), {"case": resolver_case})
    examples = settings(max_examples=EXAMPLES, stateful_step_count=30, report_multiple_bugs=False)
    run_state_machine_as_test(machine, settings=examples)
