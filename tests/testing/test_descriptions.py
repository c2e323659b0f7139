"""A failure says what is wrong with a resolver or its description, names the law, and shows the steps."""

from __future__ import annotations

import contextlib
import contextvars
import os
import sys
import threading
import unittest

import pytest

from ctxpolicy import Binding, ContextResolver, ContextVarResolver, Lease, ProcessResolver, SlotResolver, ThreadResolver
from ctxpolicy.resolvers.slot import SlotBindings
from ctxpolicy.testing import (
    BrokenLawError,
    DescriptionError,
    ResolverContract,
    StandInLoop,
    contextvars_context,
    thread_context,
)


class OfThreads(ResolverContract):
    kind = ThreadResolver

    def make_resolver(self):
        return self.kind()

    def new_context(self):
        return thread_context()


class OfContextVars(OfThreads):
    kind = ContextVarResolver
    inherits = True

    def new_context(self):
        return contextvars_context()


def description(base=OfThreads, **attributes):
    return type("TestMine", (base,), attributes)()


def wrong(contract, test):
    """Run a test that must fail because of the description, and return the message."""
    with pytest.raises(DescriptionError) as caught:
        getattr(contract, test)()
    message = str(caught.value)
    assert message.startswith(f"the contract description {type(contract).__name__} is wrong: ")
    return message


def broken(kind, test, base=OfThreads, **attributes):
    """Run a test that must fail because of the resolver, and return the message."""
    with pytest.raises(BrokenLawError) as caught:
        getattr(description(base, kind=kind, **attributes), test)()
    assert not isinstance(caught.value, DescriptionError)
    return str(caught.value)


# Descriptions that cannot be used


def test_a_description_must_say_how_to_make_a_resolver():
    with pytest.raises(NotImplementedError, match="must say how to make its resolver"):
        type("TestMine", (ResolverContract,), {})().test_description_can_be_used()


def test_a_description_must_say_how_to_make_a_context_or_that_there_is_only_one():
    mine = type("TestMine", (ResolverContract,), {"make_resolver": lambda self: ThreadResolver()})
    with pytest.raises(NotImplementedError, match="must say how to make a context: .* or one_context = True"):
        mine().test_description_can_be_used()


def test_make_resolver_must_make_a_new_resolver_each_time():
    resolver = ThreadResolver()
    mine = description(make_resolver=lambda self: resolver)
    assert "make_resolver() returned the same resolver twice" in wrong(mine, "test_description_can_be_used")


def test_make_resolver_must_make_a_resolver():
    mine = description(make_resolver=lambda self: "thread")
    assert "'thread', which is no ContextResolver" in wrong(mine, "test_description_can_be_used")


def disguise(function):
    try:
        return function()
    except ValueError as error:
        raise ValueError("another") from error


RUNS = {
    "called the function 0 times, not once": lambda function: function.__name__,
    "called the function 2 times, not once": lambda function: function() or function(),
}
ANSWERS = {
    "does not return what the function returns": lambda function: function() and None,
    "does not raise what the function raises": disguise,
}


@pytest.mark.parametrize("complaint", ANSWERS)
def test_the_yielded_callable_must_return_and_raise_as_the_function_does(complaint):
    mine = description(new_context=lambda self: contextlib.nullcontext(ANSWERS[complaint]))
    assert complaint in wrong(mine, "test_description_can_be_used")


def forgotten_decorator():
    yield lambda function: function()


NO_CONTEXTS = {
    "new_context() returned <generator object forgotten_decorator": forgotten_decorator,
    "new_context() returned <function thread_context": lambda: thread_context,
    "new_context() yielded None, which does not run functions": contextlib.nullcontext,
}


@pytest.mark.parametrize("complaint", NO_CONTEXTS)
def test_new_context_must_return_a_context_manager_that_yields_a_callable(complaint):
    mine = description(new_context=lambda self: NO_CONTEXTS[complaint]())
    for test in ("test_description_can_be_used", "test_law_7_many_threads_at_once_keep_their_loops_apart"):
        assert complaint in wrong(mine, test)


@pytest.mark.parametrize("complaint", RUNS)
def test_the_yielded_callable_must_call_the_function_once(complaint):
    mine = description(new_context=lambda self: contextlib.nullcontext(RUNS[complaint]))
    test = (
        "test_description_can_be_used"
        if "return" in complaint or "raise" in complaint
        else "test_law_1_get_returns_the_loop_that_was_set_last"
    )
    assert complaint in wrong(mine, test)


# Wrong descriptions


LIES = {
    "new contexts start empty": (
        description(OfContextVars, inherits=False),
        "test_law_3_a_new_context_starts_as_described",
        "it says that a new context starts empty, and context C starts with the loop of context A. Set inherits = True",
    ),
    "new contexts inherit": (
        description(inherits=True),
        "test_law_3_a_new_context_starts_as_described",
        "it says that a new context inherits, and context C starts with None and not with the loop of context A",
    ),
    "threads do not inherit": (
        description(kind=ProcessResolver),
        "test_law_3_a_new_thread_starts_as_described",
        "thread_inherits is False, and a thread started in context A, where loop 1 is bound, starts with loop 1",
    ),
    "threads inherit": (
        description(thread_inherits=True),
        "test_law_3_a_new_thread_starts_as_described",
        "thread_inherits is True, and a thread started in context A, where loop 1 is bound, starts with None",
    ),
    "there is one context": (
        description(one_context=True),
        "test_law_2_contexts_that_exist_do_not_change_each_other",
        "one_context = True, but what is set in the test's own context does not show in context A",
    ),
    "any thread is handed the loop": (
        description(OfContextVars, any_thread=True),
        "test_law_4_another_thread_is_not_handed_the_loop",
        "it says any_thread = True, but another thread in context A is not handed the loop",
    ),
    "any thread can enter": (
        description(any_thread=True),
        "test_law_4_another_thread_is_not_handed_the_loop",
        "it says any_thread = True, but another thread in context A is not handed the loop",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_the_error_for_a_wrong_description_says_what_is_wrong(lie):
    mine, test, complaint = LIES[lie]
    message = wrong(mine, test)
    assert complaint in message
    assert "\n  1. " in message


# Resolvers that break the contract in ways that no mutant does


def test_a_resolver_of_another_version_of_the_contract():
    kind = type("Mine", (ThreadResolver,), {"contract": 2})
    assert "it is written for version 2 of the contract" in broken(kind, "test_description_can_be_used")


def test_a_resolver_whose_new_returns_the_same_loop_again():
    loop = StandInLoop("the same")
    kind = type("Mine", (ThreadResolver,), {"new": lambda self: loop})
    message = broken(kind, "test_methods_new_makes_a_loop_and_binds_nothing")
    assert "new() returned the same, and then the same" in message
    assert message.endswith("Return a new loop at each call.")


def test_a_resolver_that_raises_in_other_threads():
    home = threading.get_ident()

    def get(self):
        if threading.get_ident() != home:
            raise LookupError("not here")
        return ContextVarResolver.get(self)

    kind = type("Mine", (ContextVarResolver,), {"get": get})
    message = broken(kind, "test_law_4_another_thread_is_not_handed_the_loop", OfContextVars)
    assert "get raised LookupError('not here')" in message


@pytest.mark.parametrize(("method", "answer"), [("describe", ""), ("applies", None)])
def test_a_resolver_whose_answers_are_of_the_wrong_type(method, answer):
    kind = type("Mine", (ThreadResolver,), {method: lambda self: answer})
    message = broken(kind, "test_methods_describe_and_applies_work_in_every_context")
    assert f"{method}() returned {answer!r} in the test's own context" in message


def test_a_resolver_whose_new_contexts_start_with_some_other_loop():
    default = StandInLoop("the default loop")
    kind = type("Mine", (ThreadResolver,), {"get": lambda self: ThreadResolver.get(self) or default})
    message = broken(kind, "test_law_3_a_new_context_starts_as_described")
    assert "in context C get() returned the default loop and not None, though a new context must start empty" in message


def test_a_policy_that_gets_another_loop_than_the_resolver():
    class Mine(ThreadResolver):
        getters = 0

        def getter(self, miss):
            self.getters += 1
            return super().getter(miss) if self.getters == 1 else lambda: StandInLoop("the getter's")

    message = broken(Mine, "test_law_1_every_way_of_setting_binds")
    assert "the policy's get_event_loop() returned the getter's and not loop 1" in message


def test_a_context_that_another_thread_can_enter():
    class Mine(ContextVarResolver):
        any_thread = True

        def __init__(self):
            super().__init__("any-thread")

    message = broken(Mine, "test_law_4_another_thread_is_not_handed_the_loop", OfContextVars)
    assert "another thread that entered context A was handed loop 1" in message
    assert "Keep threading.get_ident() with the loop" in message
    assert "If the loop is meant to be handed out there, set any_thread = True" in message


class InVariable(SlotResolver):
    def __init__(self):
        self.variable = contextvars.ContextVar("variable", default=None)

    def load(self):
        return self.variable.get()

    def store(self, binding):
        self.variable.set(binding)


def test_a_lease_that_is_not_bound():
    leases = []

    class Leasing(SlotBindings):
        def lease(self, factory):
            leases.append(Lease("mine"))
            return leases[-1].open(factory)

    kind = type("Mine", (InVariable,), {"bindings": property(Leasing)})
    message = broken(kind, "test_law_5_a_lease_is_bound_again_after_another_loop_was_set", OfContextVars)
    assert "in the test's own context get() returned None and not made loop 1, which the policy gave" in message
    leases.pop().release()


def test_a_child_that_has_its_parents_lease_although_it_should_start_empty():
    class Mine(InVariable):
        def get(self):
            binding = self.load()
            return binding.loop if binding is not None and binding.lease is not None else None

    message = broken(Mine, "test_law_3_a_child_that_inherits_inherits_the_lease_too", OfContextVars, inherits=False)
    assert "context B has the lease of context A, but a new context must start empty" in message


def test_a_lease_that_outlives_its_context():
    class Mine(InVariable):
        def __init__(self):
            super().__init__()
            self.kept = []

        def store(self, binding: Binding | None):
            self.kept.append(binding)
            super().store(binding)

    message = broken(Mine, "test_law_6_a_leased_loop_is_closed_when_its_context_is_gone", OfContextVars)
    assert "made loop 1 is open, though context A, which it was leased for, is gone" in message


class InAForkedChild(ThreadResolver):
    def __init__(self):
        super().__init__()
        self.process = os.getpid()

    def set(self, loop):
        if os.getpid() == self.process:
            super().set(loop)
        else:
            self.in_child()


class OfTenants(ResolverContract):
    """The simplest contexts that can be entered inside each other: the value of an attribute."""

    class Resolver(ContextResolver):
        def __init__(self):
            self.tenant, self.bound, self.process = None, {}, os.getpid()

        def get(self):
            return self.bound.get(self.tenant)

        def set(self, loop):
            self.bound[self.tenant] = loop

        def after_fork(self):
            self.bound.clear()

    def make_resolver(self):
        return self.Resolver()

    def may_enter(self):
        pass

    @contextlib.contextmanager
    def new_context(self):
        tenant = object()

        def run(function):
            self.may_enter()
            before, self.resolver.tenant = self.resolver.tenant, tenant
            try:
                return function()
            finally:
                self.resolver.tenant = before

        yield run


class CannotBeEnteredInAForkedChild(OfTenants):
    class Resolver(OfTenants.Resolver):
        def after_fork(self):
            del self.bound[self.tenant]

    def may_enter(self):
        if os.getpid() != self.resolver.process:
            raise OSError("not in a child")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.parametrize("contract", [OfTenants, CannotBeEnteredInAForkedChild])
def test_contexts_that_cannot_be_entered_in_a_forked_child_are_left_out(contract):
    contract().test_law_4_a_forked_child_is_not_handed_the_loop()


class IgnoresSetInAForkedChild(OfThreads):
    kind = type("Ignoring", (InAForkedChild,), {"in_child": lambda self: None})


class FailingInAForkedChild(OfThreads):
    kind = type("Failing", (InAForkedChild,), {"in_child": lambda self: 1 / 0})


class FailingInAForkedChildsTenants(OfTenants):
    """In a forked child, set() fails inside tenants. Outside of tenants it works."""

    class Resolver(OfTenants.Resolver):
        def set(self, loop):
            if os.getpid() == self.process or self.tenant is None:
                super().set(loop)
            else:
                raise ZeroDivisionError("division by zero")


class ForgetsOneContextInAForkedChild(OfTenants):
    class Resolver(OfTenants.Resolver):
        def after_fork(self):
            del self.bound[self.tenant]


FORKED = {
    IgnoresSetInAForkedChild: "in the forked child get() returned None after set(loop 4)",
    FailingInAForkedChild: "in the forked child ZeroDivisionError('division by zero') was raised",
    FailingInAForkedChildsTenants: "in the forked child ZeroDivisionError('division by zero') was raised",
    ForgetsOneContextInAForkedChild: "in the forked child in context A get() returned loop 2",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.parametrize("contract", FORKED)
def test_a_resolver_that_does_not_work_in_a_forked_child(contract):
    with pytest.raises(BrokenLawError) as caught:
        contract().test_law_4_a_forked_child_is_not_handed_the_loop()
    assert FORKED[contract] in str(caught.value)
    assert str(caught.value).startswith("in a process of its own (no options): ")


def test_the_test_of_a_forked_child_is_skipped_without_fork(monkeypatch):
    monkeypatch.delattr(os, "fork")
    with pytest.raises(unittest.SkipTest, match="no fork"):
        OfThreads().test_law_4_a_forked_child_is_not_handed_the_loop()


def test_without_hypothesis_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "ctxpolicy.testing._laws.random_model", raising=False)
    with pytest.raises(ImportError, match=r"needs hypothesis: pip install 'ctxpolicy\[testing\]'"):
        OfThreads().test_model_random_steps_do_what_a_plain_model_does()


def test_a_contract_in_a_function_cannot_be_imported_in_a_process_of_its_own():
    class TestLocal(OfThreads):
        pass

    with pytest.raises(TypeError, match="put the class at the top level of its module"):
        TestLocal().test_law_4_a_forked_child_is_not_handed_the_loop()
