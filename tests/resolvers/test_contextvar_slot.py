"""The variables that the contextvar resolver sets in a contextvars context, and the bindings that they hold."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from ctxpolicy import ContextPolicy, ContextVarResolver, Lease


@pytest.fixture
def loop():
    loop = asyncio.SelectorEventLoop()
    yield loop
    loop.close()


def variables_set_by(*steps) -> int:
    context = contextvars.Context()
    for step in steps:
        context.run(step)
    return len(context)


def test_binding_and_unbinding_by_hand_set_one_variable(loop):
    policy = ContextPolicy()
    assert variables_set_by(lambda: policy.set_event_loop(loop), lambda: policy.set_event_loop(None)) == 1


def test_a_loop_bound_by_the_policy_is_forgotten_when_another_is_bound(loop):
    policy = ContextPolicy()

    def bind_both():
        policy.set_event_loop(asyncio.SelectorEventLoop())
        policy.get_event_loop().close()
        policy.set_event_loop(loop)

    context = contextvars.Context()
    context.run(bind_both)
    assert [value[0] for value in context.values()] == [loop]


@pytest.mark.parametrize("factory", [None, asyncio.SelectorEventLoop], ids=["reused loops", "a factory"])
def test_the_binding_of_a_leased_loop_is_that_of_the_lease(factory):
    policy = ContextPolicy(missing="create", loop_factory=factory)

    def job():
        policy.get_event_loop()
        binding = policy.resolver.binding()
        assert binding == binding.lease.binding()
        assert " in job" in binding.where

    contextvars.Context().run(job)


def test_a_scope_restores_a_plain_tuple(loop):
    """The closures of the policy store plain tuples, which are the fastest to make and to take apart."""
    policy = ContextPolicy()

    def scope():
        policy.set_event_loop(loop)
        lease = Lease("a test")
        lease.open(asyncio.SelectorEventLoop)
        policy.resolver.bindings.leave_scope(policy.resolver.bindings.enter_scope(lease))
        lease.release()

    context = contextvars.Context()
    context.run(scope)
    assert {type(value) for value in context.values() if value is not None} == {tuple}


def test_asking_for_the_innermost_scope_changes_nothing():
    resolver = ContextVarResolver()

    def scope():
        lease = Lease("a test")
        lease.open(asyncio.SelectorEventLoop)
        token = resolver.bindings.enter_scope(lease)
        before = dict(contextvars.copy_context())
        assert all(resolver.bindings.is_innermost_scope(lease, token) for _ in range(2))
        assert dict(contextvars.copy_context()) == before
        resolver.bindings.leave_scope(token)
        lease.release()

    contextvars.Context().run(scope)


def test_a_lease_continues_while_the_policy_binds_another_loop(loop):
    resolver = ContextVarResolver()
    policy = ContextPolicy(resolver, missing="create")

    def job():
        leased = policy.get_event_loop()
        lease = resolver.binding().lease
        policy.set_event_loop(loop)
        over = resolver.binding()
        policy.set_event_loop(None)
        return lease, leased, over, resolver.binding()

    lease, leased, over, after = contextvars.Context().run(job)
    assert over.loop is loop
    assert over.lease is lease
    assert after.loop is leased
    assert after.lease is lease


def test_a_binding_over_a_lease_does_not_name_the_place_of_the_lease(loop):
    resolver = ContextVarResolver()
    policy = ContextPolicy(resolver, missing="create")

    def job():
        policy.get_event_loop()
        leased = resolver.binding()
        policy.set_event_loop(loop)
        return leased, resolver.binding()

    leased, over = contextvars.Context().run(job)
    assert leased.where == leased.lease.where
    assert over.where is None


def test_a_traced_binding_says_where_it_was_made(loop):
    resolver = ContextVarResolver()
    resolver.traced = True
    policy = ContextPolicy(resolver)
    policy.set_event_loop(loop)
    assert resolver.binding().where.endswith("in test_a_traced_binding_says_where_it_was_made")
    assert policy.get_event_loop() is loop


def test_an_ended_lease_is_forgotten_at_the_next_unbinding():
    resolver = ContextVarResolver()
    policy = ContextPolicy(resolver, missing="create")

    def job():
        policy.get_event_loop()
        resolver.binding().lease.release()
        policy.set_event_loop(None)
        return resolver.load()

    binding = contextvars.Context().run(job)
    assert binding.loop is None
    assert binding.lease is None


def test_a_context_that_was_unbound_by_hand_differs_from_one_that_never_had_a_loop():
    resolver = ContextVarResolver()
    policy = ContextPolicy(resolver)

    def unbind():
        before = resolver.bindings.was_set()
        policy.set_event_loop(None)
        return before, resolver.bindings.was_set(), resolver.get(), resolver.binding()

    assert contextvars.Context().run(unbind) == (False, True, None, None)
