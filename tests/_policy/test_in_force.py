"""The loop factory of the policy in force, as leases, nested runs, isolated calls and explain() use it."""

from __future__ import annotations

import asyncio

import pytest

from ctxpolicy import ChainResolver, ContextPolicy, ThreadResolver, install, isolate, using
from ctxpolicy._asyncio.capabilities import default_loop_factory
from ctxpolicy._asyncio.host import host
from ctxpolicy._loops.creation import creation_site
from ctxpolicy._loops.lease import Lease
from ctxpolicy._policy.in_force import factory_in_force, leased_factory_in_force
from tests.support.policies import default_policy, in_force, uvloop_policy


class Own(asyncio.SelectorEventLoop):
    pass


class Makes(ContextPolicy):
    def new_event_loop(self):
        return Own()


def test_under_asyncios_policy_it_is_asyncios_own_class_whether_the_policy_exists_yet_or_not():
    for policy in None, default_policy():
        with in_force(policy):
            assert factory_in_force() is default_loop_factory()


def test_under_a_context_policy_it_is_the_factory_that_the_policy_was_given():
    with install("thread"):
        assert factory_in_force() is default_loop_factory()
    with install("thread", loop_factory=Own):
        assert factory_in_force() is Own


def test_in_a_using_block_it_is_the_overriding_resolvers():
    class WithFactory(ThreadResolver):
        loop_factory = Own

    with install("thread"):
        with using(WithFactory()):
            assert factory_in_force() is Own
        assert factory_in_force() is default_loop_factory()


class HasFactory(ThreadResolver):
    loop_factory = Own


class OverridesNew(ThreadResolver):
    def new(self):
        return Own()


@pytest.mark.parametrize("resolver", [HasFactory, OverridesNew, lambda: ChainResolver(OverridesNew())])
def test_a_loop_leased_in_a_using_block_is_of_the_resolvers_kind(resolver):
    """A lease makes its loop in an empty contextvars context, which is outside the block."""
    with install("thread", missing="create"), using(resolver()):
        try:
            assert type(asyncio.get_event_loop()) is Own
            assert asyncio.run(isolate(lambda: type(asyncio.get_event_loop()))) is Own
        finally:
            host.in_force().resolver.bindings.clear()


def test_an_overridden_new_event_loop_of_a_subclass_or_an_instance_is_used():
    subclass, instance = Makes(), ContextPolicy()
    instance.new_event_loop = Own  # type: ignore[method-assign]
    with in_force(subclass):
        made_by = subclass.new_event_loop
        assert factory_in_force() == subclass.leased_factory() == subclass.kind_of_loops() == made_by
    with in_force(instance):
        assert factory_in_force() is instance.leased_factory() is instance.kind_of_loops() is Own


def test_new_event_loop_of_another_kind_of_policy_is_used():
    with in_force(uvloop_policy()) as policy:
        assert factory_in_force() == policy.new_event_loop


@pytest.mark.parametrize("policy", [None, ContextPolicy, Makes, uvloop_policy])
def test_a_leased_loop_is_of_the_same_kind_and_knows_where_it_was_made(policy):
    with in_force(policy and policy()):
        lease, plain = Lease("a test"), factory_in_force()()
        leased = lease.open(leased_factory_in_force())
        assert isinstance(leased, type(plain))
        assert repr(type(leased)) == repr(type(plain))
        assert creation_site(leased).startswith(f"{__file__}:")
        lease.release()
        plain.close()
