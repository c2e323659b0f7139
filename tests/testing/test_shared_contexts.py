"""The messages of the tests of law 8 about resolvers that break it."""

from __future__ import annotations

import pytest

from ctxpolicy.resolvers.slot import SlotBindings
from ctxpolicy.testing import BrokenLawError
from tests.contract.right import OfSharedTenants, OfTenants, SharedTenants, Tenants


def broken(base, kind, test, **attributes):
    """Run a test that must fail because of the resolver, and return the message."""
    mine = type("TestMine", (base,), {"Resolver": kind, **attributes})()
    with pytest.raises(BrokenLawError) as caught:
        getattr(mine, test)()
    message = str(caught.value)
    assert "breaks law 8 (several threads may be in one context at once" in message
    return message


def test_a_loop_that_only_the_first_thread_can_unset():
    class Stubborn(Tenants):
        def set(self, loop):
            if loop is not None or self.load() is None or self.load().thread == self.first:
                super().set(loop)
            self.first = getattr(self, "first", self.load().thread)

    message = broken(OfTenants, Stubborn, "test_law_8_what_another_thread_sets_leaves_the_loop_of_this_one_bound")
    assert "that thread was handed loop 2" in message
    assert "Keep a binding for each thread, as SlotResolver does" in message


def test_a_leased_loop_that_another_thread_is_given_although_threads_do_not_share():
    message = broken(OfTenants, SharedTenants, "test_law_8_a_lease_of_another_thread_closes_no_loop")
    assert "another thread in context A was given made loop 1" in message


def test_an_isolated_call_that_leaves_its_loop_bound_in_its_thread():
    class Leaving(SlotBindings):
        def leave_scope(self, token):
            pass

    kind = type("Leaving", (Tenants,), {"bindings": property(Leaving)})
    message = broken(OfTenants, kind, "test_law_8_isolated_calls_at_once_leave_what_was_bound")
    assert "a thread of the calls was handed made loop " in message


def test_threads_that_should_share_a_lease_and_do_not():
    message = broken(OfSharedTenants, Tenants, "test_law_8_threads_that_lease_at_once_get_open_loops")
    assert "they were given ['made loop " in message
    assert "Look and lease under one lock" in message
