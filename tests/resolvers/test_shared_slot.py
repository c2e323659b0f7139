"""A slot that several threads use at once has a binding for each thread."""

from __future__ import annotations

import asyncio
import gc
import os
import textwrap
import threading

import pytest

from ctxpolicy import Binding, Lease
from ctxpolicy._fork import process
from ctxpolicy.testing import StandInLoop, in_new_thread, thread_context
from tests.resolvers.one_slot import OneSlot
from tests.support.programs import run_program


@pytest.fixture
def one():
    return OneSlot()


@pytest.fixture
def elsewhere():
    """Return a function that runs other functions in one other thread."""
    with thread_context() as run:
        yield run


def test_each_thread_has_its_own_loop_and_the_binding_says_so(one, elsewhere):
    mine, other = StandInLoop("mine"), StandInLoop("the other's")
    one.set(mine)
    elsewhere(lambda: one.set(other))
    assert (one.get(), elsewhere(one.get)) == (mine, other)
    assert (one.binding().loop, elsewhere(one.binding).loop) == (mine, other)
    assert in_new_thread(one.get) is None
    assert in_new_thread(one.binding).loop is other  # the binding that was made last


def test_a_thread_that_unsets_or_clears_leaves_the_binding_of_another_thread(one, elsewhere):
    mine = StandInLoop()
    one.set(mine)
    for end in (lambda: one.set(None), one.bindings.clear, one.bindings.note_set):
        elsewhere(lambda: one.set(StandInLoop()))
        elsewhere(end)
        assert one.get() is mine
    elsewhere(lambda: one.set(None))
    assert one.slot == (mine, threading.get_ident(), os.getpid(), None, None, None)
    assert elsewhere(one.bindings.was_set)


def test_the_bindings_of_one_thread_alone_are_its_plain_binding(one, elsewhere):
    one.set(None)
    elsewhere(lambda: one.set(StandInLoop()))
    mine = StandInLoop()
    one.set(mine)
    elsewhere(one.bindings.clear)
    assert type(one.slot) is Binding


@pytest.mark.parametrize("how", ["set", "note_set"])
def test_after_a_scope_it_is_still_known_that_a_loop_was_set_before(one, how):
    if how == "set":
        one.set(StandInLoop())
        one.set(None)
    else:
        one.bindings.note_set()
    lease = Lease("a test")
    lease.open(asyncio.SelectorEventLoop)
    one.bindings.leave_scope(one.bindings.enter_scope(lease))
    lease.release()
    assert one.bindings.was_set()


def test_a_scope_that_is_cleared_is_still_the_innermost_one(one):
    lease = Lease("a test")
    lease.open(asyncio.SelectorEventLoop)
    token = one.bindings.enter_scope(lease)
    one.bindings.clear()
    assert one.get() is None
    assert one.bindings.is_innermost_scope(lease, token)
    one.bindings.leave_scope(token)
    lease.release()


def test_a_shared_loop_that_another_thread_sets_in_a_scope_does_not_end_the_scope(one, elsewhere):
    one.any_thread = True
    lease = Lease("a test")
    lease.open(asyncio.SelectorEventLoop)
    token = one.bindings.enter_scope(lease)
    elsewhere(lambda: one.set(StandInLoop()))
    assert one.bindings.is_innermost_scope(lease, token)
    one.bindings.leave_scope(token)
    lease.release()


def test_three_threads_keep_their_loops_and_the_slot_holds_one_binding_per_thread(one, elsewhere):
    loops = [StandInLoop(str(number)) for number in range(3)]
    with thread_context() as third:
        for _ in range(3):
            one.set(loops[0])
            elsewhere(lambda: one.set(loops[1]))
            third(lambda: one.set(loops[2]))
        assert [one.get(), elsewhere(one.get), third(one.get)] == loops
        assert len(one.slot.by_thread) == 3
        third(one.bindings.clear)
        assert [one.get(), elsewhere(one.get), third(one.get)] == [*loops[:2], None]


def test_a_thread_that_only_unsets_has_no_binding_beside_those_of_other_threads(one, elsewhere):
    one.set(None)
    other = StandInLoop()
    elsewhere(lambda: one.set(other))
    one.set(None)
    assert one.get() is None
    assert one.binding().loop is other
    assert elsewhere(one.get) is other


def test_a_lease_of_a_thread_that_has_ended_ends_at_the_next_change(one):
    loop = in_new_thread(lambda: one.bindings.lease(asyncio.SelectorEventLoop))
    assert not loop.is_closed()
    one.set(StandInLoop())
    for _ in range(4):  # PyPy
        gc.collect()
    assert loop.is_closed()
    assert type(one.slot) is Binding


def test_scopes_of_two_threads_end_in_any_order(one, elsewhere):
    before = StandInLoop("before")
    one.set(before)
    mine, other = Lease("a scope"), Lease("another")
    other.thread = elsewhere(threading.get_ident)
    mine.open(StandInLoop)
    other.open(StandInLoop)
    my_token = one.bindings.enter_scope(mine)
    other_token = elsewhere(lambda: one.bindings.enter_scope(other))
    assert one.bindings.is_innermost_scope(mine, my_token)
    assert elsewhere(lambda: one.bindings.is_innermost_scope(other, other_token))
    assert not elsewhere(lambda: one.bindings.is_innermost_scope(mine, my_token))
    elsewhere(one.bindings.clear)
    assert elsewhere(one.get) is None
    assert elsewhere(lambda: one.bindings.is_innermost_scope(other, other_token))
    one.bindings.leave_scope(my_token)
    assert one.get() is before
    elsewhere(lambda: one.bindings.leave_scope(other_token))
    assert elsewhere(one.get) is None
    assert one.get() is before
    mine.loop.close()
    other.loop.close()


def test_threads_that_share_a_loop_have_one_binding(one, elsewhere):
    one.any_thread = True
    first, second = StandInLoop(), StandInLoop()
    one.set(first)
    elsewhere(lambda: one.set(second))
    assert one.get() is elsewhere(one.get) is second
    assert type(one.slot) is Binding
    assert one.bindings.is_thread_exclusive() is False
    one.any_thread = False
    assert one.bindings.is_thread_exclusive() is True


def test_a_loop_that_another_thread_sets_while_a_shared_one_is_made_stays_bound(one, elsewhere):
    one.any_thread = True
    hand, made = StandInLoop("set by hand"), []

    def factory():
        elsewhere(lambda: one.set(hand))
        made.append(asyncio.SelectorEventLoop())
        return made[0]

    assert one.bindings.lease(factory) is hand
    assert one.get() is hand
    assert made[0].is_closed()


def test_bindings_of_the_parent_process_are_hidden(one, elsewhere):
    one.set(StandInLoop())
    elsewhere(lambda: one.set(StandInLoop()))
    one.slot = one.slot._replace(process=process.id + 1)
    assert one.get() is one.binding() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_binds_and_leases_although_another_thread_held_the_locks():
    program = """
        import asyncio, os, threading
        from tests.resolvers.test_shared_slot import OneSlot
        from ctxpolicy.testing import StandInLoop

        one = OneSlot()
        one.any_thread = True
        held, done = threading.Event(), threading.Event()

        def hold():
            with one._locks.change, one._locks.lease:
                held.set()
                done.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()
        child = os.fork()
        if child == 0:
            one.set(StandInLoop())
            one.bindings.clear()
            one.bindings.lease(asyncio.SelectorEventLoop).close()
            os._exit(0)
        done.set()
        holder.join()
        assert os.waitpid(child, 0)[1] == 0
    """
    run_program(textwrap.dedent(program), flags=("-W", "error", "-W", "ignore:This process:DeprecationWarning"))
