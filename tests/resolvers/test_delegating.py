"""A delegating resolver passes every call on to the resolver inside it."""

from __future__ import annotations

import asyncio

import pytest

from ctxpolicy import (
    ChainResolver,
    ContextPolicy,
    ContextResolver,
    DelegatingResolver,
    Lease,
    ResolverError,
    ThreadResolver,
)
from ctxpolicy.resolvers._bindings import WrappedBindings
from ctxpolicy.resolvers.base import ContextResolver as Base
from ctxpolicy.resolvers.base import factory_of
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
    # Each resolver has its own version of these methods, or they call the other methods.
    own = {"installed", "uninstalled", "after_fork", "getter", "binding_changed"}
    methods = {name for name, value in vars(Base).items() if callable(value) and not name.startswith("_")}
    assert methods - own <= passed_on.keys()


def test_binding_marking_and_leasing_happen_in_the_inner_resolver(around):
    inner, loop = around.resolver, StandInLoop()
    assert not around.bindings.was_set()
    around.bindings.note_set()
    assert inner.bindings.was_set()
    assert around.bindings.was_set()
    around.set(loop)
    assert inner.get() is around.get() is loop
    assert around.binding() == inner.binding()
    around.bindings.bind(None)
    leased = around.bindings.lease(asyncio.SelectorEventLoop)
    assert inner.binding().lease.loop is leased
    around.bindings.clear()
    collect_garbage()
    assert leased.is_closed()
    assert around.describe() == inner.describe()
    assert around.applies() is True
    assert around.bindings.is_thread_exclusive() is True


def test_new_loops_come_from_the_inner_resolver():
    inner = type("Own", (ThreadResolver,), {"loop_factory": lambda: StandInLoop("its kind")})()
    assert repr(Around(inner).new()) == "its kind"
    assert repr(ContextPolicy(Around(inner)).new_event_loop()) == "its kind"
    assert factory_of(Around()) is None


def test_a_scope_is_left_at_the_resolver_that_was_entered(around):
    first, lease = around.resolver, Lease("a scope")
    before = StandInLoop("before")
    first.set(before)
    loop = lease.open(StandInLoop)
    bindings = around.bindings
    former = bindings.enter_scope(lease)
    assert first.get() is loop
    assert around.bindings.is_innermost_scope(lease, former)
    around.resolver = ThreadResolver()
    assert not around.bindings.is_innermost_scope(lease, former)
    bindings.leave_scope(former)
    assert first.get() is before
    loop.close()


def test_a_policy_calls_an_overridden_set():
    class Refusing(Around):
        def set(self, loop):
            if loop is not None:
                raise ResolverError("not here")

    policy = ContextPolicy(Refusing())
    with pytest.raises(ResolverError, match="not here"):
        policy.set_event_loop(StandInLoop())
    assert policy.resolver.get() is None
    assert policy.resolver.bindings.was_set(), "asyncio too records that a set was tried"


def test_the_error_names_the_resolver_that_breaks_the_contract():
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


class Own(DelegatingResolver):
    def present(self):
        return ThreadResolver()


class OwnChain(ChainResolver):
    def __init__(self):
        super().__init__(ThreadResolver())


@pytest.mark.parametrize("base", [Own, OwnChain])
@pytest.mark.parametrize("own", ["new", "loop_factory"])
def test_an_overridden_new_or_loop_factory_makes_the_loops(base, own):
    attribute = (lambda self: StandInLoop("its own")) if own == "new" else (lambda: StandInLoop("its own"))
    resolver = type("Mine", (base,), {own: attribute})()
    assert repr(resolver.new()) == "its own"
    assert repr(ContextPolicy(resolver).new_event_loop()) == "its own"
    assert repr(factory_of(resolver)()) == "its own"


def test_wrapped_bindings_pass_every_call_on():
    inner, loop = ThreadResolver(), StandInLoop()
    bindings = WrappedBindings(inner.bindings)
    assert bindings.keeps_leases
    assert bindings.is_thread_exclusive() is True
    assert bindings.was_set() is False
    bindings.note_set()
    assert inner.bindings.was_set() is bindings.was_set() is True
    bindings.bind(loop)
    assert inner.get() is loop
    lease = Lease("a scope")
    lease.open(StandInLoop)
    token = bindings.enter_scope(lease)
    assert inner.get() is lease.loop
    assert bindings.is_innermost_scope(lease, token)
    bindings.leave_scope(token)
    assert bindings.lease(StandInLoop) is loop
    bindings.clear()
    assert inner.get() is None
    lease.loop.close()
