"""A resolver around another one passes everything on."""

from __future__ import annotations

import asyncio

import pytest

from ctxpolicy import ContextPolicy, ContextResolver, DelegatingResolver, Lease, ResolverError, ThreadResolver
from ctxpolicy.resolvers.base import ContextResolver as Base
from ctxpolicy.testing import ResolverContract, StandInLoop, thread_context
from tests.support.policies import collect_garbage


class Around(DelegatingResolver):
    def __init__(self, resolver=None):
        self.resolver = resolver or ThreadResolver()

    def present(self):
        return self.resolver


class TestAround(ResolverContract):
    def make_resolver(self):
        return Around()

    def new_context(self):
        return thread_context()


@pytest.fixture
def around():
    return Around()


def test_every_method_of_the_contract_is_passed_on():
    passed_on = vars(DelegatingResolver)
    own = {"installed", "uninstalled", "after_fork", "getter", "setter"}  # each of its own, or built on the others
    methods = {name for name, value in vars(Base).items() if callable(value) and not name.startswith("_")}
    assert methods - own <= passed_on.keys()


def test_bound_marked_and_leased_loops_are_the_other_ones(around):
    inner, loop = around.resolver, StandInLoop()
    assert not around.marked()
    around.mark()
    assert inner.marked()
    assert around.marked()
    around.set(loop)
    assert inner.get() is around.get() is loop
    assert around.binding() == inner.binding()
    around.bind(None)
    leased = around.lease(asyncio.SelectorEventLoop)
    assert inner.binding().lease.loop is leased
    around.clear()
    collect_garbage()
    assert leased.is_closed()
    assert around.describe() == inner.describe()
    assert around.applies() is True
    assert around.private() is True


def test_new_loops_are_of_the_other_ones_kind():
    inner = type("Own", (ThreadResolver,), {"loop_factory": lambda: StandInLoop("its kind")})()
    assert repr(Around(inner).new()) == "its kind"
    assert repr(ContextPolicy(Around(inner)).new_event_loop()) == "its kind"
    assert Around().factory() is None


def test_a_scope_is_left_at_the_resolver_that_was_entered(around):
    first, lease = around.resolver, Lease("a scope")
    before = StandInLoop("before")
    first.set(before)
    loop = lease.open(StandInLoop)
    previous = around.enter(lease)
    assert first.get() is loop
    assert around.holds(lease, previous)
    around.resolver = ThreadResolver()
    assert not around.holds(lease, previous)
    around.leave(previous)
    assert first.get() is before
    loop.close()


def test_a_set_of_its_own_is_what_a_policy_calls():
    class Refusing(Around):
        def set(self, loop):
            if loop is not None:
                raise ResolverError("not here")

    policy = ContextPolicy(Refusing())
    with pytest.raises(ResolverError, match="not here"):
        policy.set_event_loop(StandInLoop())
    assert policy.resolver.get() is None


def test_what_breaks_the_contract_is_told_of_the_resolver_that_broke_it():
    class Broken(ContextResolver):
        def get(self):
            raise LookupError

        def set(self, loop):
            pass

    with pytest.raises(ResolverError, match="resolver Broken: get"):
        ContextPolicy(Around(Broken())).get_event_loop()

    class Lost(Around):
        def present(self):
            raise LookupError("nowhere")

    with pytest.raises(ResolverError, match=r"resolver Lost: get\(\) raised LookupError\('nowhere'\)"):
        ContextPolicy(Lost(), missing="error").get_event_loop()
