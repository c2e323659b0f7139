"""A resolver whose author wrote only load() and store()."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import sys
import textwrap
import threading
import weakref

import pytest

from ctxpolicy import Binding, ContextPolicy, Lease
from ctxpolicy._fork import process
from ctxpolicy.resolvers.slot import SlotBindings
from ctxpolicy.testing import StandInLoop, in_new_thread
from tests.resolvers.one_slot import OneSlot
from tests.support.programs import run_program


@pytest.fixture
def one():
    return OneSlot()


@pytest.fixture(params=[False, True], ids=["threads at once", "one thread at a time"])
def either(one, request):
    """Return a resolver whose contexts several threads can use at once, and one whose contexts they cannot."""
    one._one_thread = request.param
    return one


def collect() -> None:
    for _ in range(4):  # PyPy
        gc.collect()


def test_a_binding_knows_its_loop_thread_and_process(one):
    loop = StandInLoop()
    one.set(loop)
    assert one.slot == (loop, threading.get_ident(), os.getpid(), None, None, None)
    assert one.binding() is one.slot


def test_a_loop_is_hidden_from_other_threads_and_its_binding_is_not(one):
    loop = StandInLoop()
    one.set(loop)
    assert in_new_thread(one.get) is None
    assert in_new_thread(one.binding).loop is loop
    one.any_thread = True
    assert in_new_thread(one.get) is loop


def test_a_binding_of_another_process_is_hidden_and_is_kept_alive_when_it_is_replaced(either):
    loop = StandInLoop()
    gone = weakref.ref(loop)
    either.slot = Binding(loop, threading.get_ident(), process.id + 1, scope=Lease("a scope of the parent"))
    del loop
    assert either.get() is None
    assert either.binding() is None
    assert not either.bindings.was_set()
    either.set(StandInLoop())
    collect()
    assert gone() is not None
    assert either.get() is not None
    assert either.slot.scope is None


@pytest.mark.parametrize("do", ["note_set", "clear", "lease"])
def test_every_replacement_of_a_binding_of_another_process_keeps_it_alive(either, do):
    either.slot = Binding(StandInLoop(), threading.get_ident(), process.id + 1)
    gone = weakref.ref(either.slot.loop)
    either.bindings.lease(asyncio.SelectorEventLoop) if do == "lease" else getattr(either.bindings, do)()
    collect()
    assert gone() is not None


def test_an_unset_slot_is_marked_and_an_empty_one_is_not(one):
    assert not one.bindings.was_set()
    one.set(StandInLoop())
    one.set(None)
    assert one.bindings.was_set()
    assert one.get() is one.binding() is None


def test_a_mark_changes_nothing_else(one):
    one.bindings.note_set()
    assert one.bindings.was_set()
    assert one.get() is None
    loop = StandInLoop()
    one.set(loop)
    one.bindings.note_set()
    assert one.get() is loop


def test_a_traced_resolver_records_where_a_loop_was_bound(one):
    one.set(StandInLoop())
    assert one.binding().where is None
    one.traced = True
    line = sys._getframe().f_lineno + 1
    one.set(StandInLoop())
    assert one.binding().where.startswith(f"{__file__}:{line} in test_a_traced_resolver")


def test_a_lease_continues_while_a_loop_set_by_hand_is_bound(one):
    leased = one.bindings.lease(asyncio.SelectorEventLoop)
    assert one.bindings.lease(asyncio.SelectorEventLoop) is leased
    hand = StandInLoop()
    one.bindings.bind(hand)
    assert one.get() is hand
    assert one.binding().lease.loop is leased
    one.bindings.bind(None)
    assert one.get() is leased
    assert one.binding().where.startswith(f"{__file__}:")


def test_a_lease_ends_when_its_loop_is_closed_by_hand(one):
    one.bindings.lease(asyncio.SelectorEventLoop).close()
    one.set(None)
    assert one.get() is None
    other = one.bindings.lease(asyncio.SelectorEventLoop)
    other.close()
    hand = StandInLoop()
    one.set(hand)
    assert one.binding().lease is None


def test_a_lease_ends_with_its_slot(one):
    loop = one.bindings.lease(asyncio.SelectorEventLoop)
    one.bindings.clear()
    collect()
    assert loop.is_closed()
    assert one.get() is None
    assert not one.bindings.was_set()


def test_a_factory_that_fails_leaves_the_slot_as_it_was(one):
    with pytest.raises(ZeroDivisionError):
        one.bindings.lease(lambda: 1 / 0)
    assert one.slot is None


def test_a_thread_leases_its_own_loop_although_another_thread_has_one(one):
    other = StandInLoop()
    one.set(other)
    mine = in_new_thread(lambda: one.bindings.lease(asyncio.SelectorEventLoop))
    assert mine is not other
    assert not mine.is_closed()


def test_a_scope_restores_the_previous_binding_even_that_of_another_thread(one):
    other = StandInLoop()
    one.set(other)

    def elsewhere():
        lease = Lease("a scope")
        loop = lease.open(StandInLoop)
        former = one.bindings.enter_scope(lease)
        assert one.get() is loop
        assert one.bindings.is_innermost_scope(lease, former)
        one.set(StandInLoop())
        assert one.bindings.is_innermost_scope(lease, former)
        one.bindings.leave_scope(former)
        assert not one.bindings.is_innermost_scope(lease, former)
        loop.close()

    in_new_thread(elsewhere)
    assert one.get() is other


def test_an_empty_slot_is_restored_as_empty(one):
    lease = Lease("a scope")
    assert not one.bindings.is_innermost_scope(lease, None)
    lease.open(StandInLoop)
    one.bindings.leave_scope(one.bindings.enter_scope(lease))
    assert one.slot is None
    lease.loop.close()


def test_the_policy_calls_an_overridden_bind():
    class Counting(SlotBindings):
        def bind(self, loop):
            bound.append(loop)
            super().bind(loop)

    bound, loop = [], StandInLoop()
    resolver = type("Counted", (OneSlot,), {"bindings": property(Counting)})()
    ContextPolicy(resolver).set_event_loop(loop)
    assert bound == [resolver.get()] == [loop]


def test_debug_mode_records_where_loops_are_bound():
    program = """
        from ctxpolicy import ContextVarResolver, ThreadResolver
        from ctxpolicy.testing import StandInLoop

        for resolver in ContextVarResolver(), ThreadResolver():
            resolver.set(StandInLoop())
            print(resolver.binding().where)
    """
    told = run_program(textwrap.dedent(program), flags=("-X", "dev"))
    assert told.splitlines() == ["<string>:6 in <module>"] * 2


def test_a_job_that_raised_holds_its_lease_until_its_traceback_is_collected():
    policy = ContextPolicy(missing="create")
    loops = []

    def job():
        loops.append(policy.get_event_loop())
        raise ValueError("the job failed")

    with pytest.raises(ValueError, match="the job failed") as caught:
        contextvars.copy_context().run(job)
    del caught
    collect()
    assert loops[0].is_closed()
