"""A resolver whose author wrote only get() and set()."""

from __future__ import annotations

import asyncio
import gc
import threading
from asyncio import AbstractEventLoop

import pytest

from ctxpolicy import ContextPolicy, ContextResolver, DelegatingResolver, Lease, ResolverError, SlotResolver
from ctxpolicy._loops.lease import open_leases
from ctxpolicy.resolvers.base import factory_of
from ctxpolicy.testing import StandInLoop, in_new_thread
from tests.support.plain import Plain


@pytest.fixture
def plain():
    return Plain()


@pytest.mark.parametrize(
    ("base", "names"),
    [(ContextResolver, ("get", "set")), (SlotResolver, ("load", "store")), (DelegatingResolver, ("present",))],
)
def test_a_resolver_without_the_required_methods_cannot_be_made(base, names):
    for missing in names:
        methods = dict.fromkeys(set(names) - {missing}, lambda *_: None)
        with pytest.raises(TypeError, match=f"abstract.*{missing}"):
            type("Half", (base,), methods)()


def test_the_options_of_a_class_statement_reach_the_other_base_classes():
    class Titled:
        def __init_subclass__(cls, *, title, **options):
            super().__init_subclass__(**options)
            cls.title = title

    class Both(Plain, Titled, title="the title"):
        pass

    assert Both.title == "the title"
    with pytest.raises(TypeError, match="__init_subclass__"):
        type("Unknown", (Plain,), {}, colour="blue")


def test_a_class_without_init_refuses_arguments():
    half = type("NoInit", (ContextResolver,), {"get": lambda self: None, "set": lambda self, loop: None})
    half()
    with pytest.raises(TypeError, match="takes no arguments"):
        half("something")


def test_init_of_the_base_class_need_not_be_called(plain):
    assert plain.bindings.was_set() is False
    plain.bindings.note_set()
    assert plain.bindings.was_set() is True
    assert in_new_thread(plain.bindings.was_set) is False


def test_the_optional_methods_have_defaults(plain):
    assert plain.applies() is True
    assert plain.bindings.is_thread_exclusive() is True
    assert plain.binding() is None
    assert plain.describe() == f"the context that Plain finds in thread {threading.current_thread().name!r}"
    plain.after_fork()
    plain.installed()
    plain.uninstalled()


def test_new_loops_are_asyncios_by_default(plain):
    assert factory_of(plain) is None
    loop = plain.new()
    assert isinstance(loop, asyncio.AbstractEventLoop)
    loop.close()


@pytest.mark.parametrize("where", ["class", "object"])
def test_new_loops_are_made_by_its_loop_factory(where):
    def factory() -> AbstractEventLoop:
        return StandInLoop("the factory's")

    resolver = type("Own", (Plain,), {"loop_factory": staticmethod(factory)} if where == "class" else {})()
    if where == "object":
        resolver.loop_factory = factory
    assert factory_of(resolver) is factory
    assert repr(resolver.new()) == "the factory's"


def test_a_plain_function_as_loop_factory_of_the_class_gets_no_argument():
    resolver = type("Own", (Plain,), {"loop_factory": lambda: StandInLoop("made without self")})()
    assert repr(resolver.new()) == "made without self"


@pytest.mark.parametrize("where", ["class", "object"])
def test_a_loop_factory_that_is_false_as_a_boolean_is_still_used(where):
    class EmptyPool(list):
        def __call__(self) -> AbstractEventLoop:
            return StandInLoop("of the pool")

    resolver = type("Own", (Plain,), {"loop_factory": EmptyPool()} if where == "class" else {})()
    if where == "object":
        resolver.loop_factory = EmptyPool()
    assert repr(resolver.new()) == repr(ContextPolicy(resolver).new_event_loop()) == "of the pool"


@pytest.mark.parametrize("where", ["class", "object"])
def test_a_policy_calls_an_overridden_new(where):
    resolver = type("Own", (Plain,), {"new": lambda self: StandInLoop("its own")} if where == "class" else {})()
    if where == "object":
        resolver.new = lambda: StandInLoop("its own")
    assert factory_of(resolver) == resolver.new
    assert repr(ContextPolicy(resolver).new_event_loop()) == "its own"


def test_getter_calls_get_and_if_no_loop_is_bound_the_given_function(plain):
    missing, loop = StandInLoop("missing"), StandInLoop()
    getter = plain.getter(lambda: missing)
    assert getter() is missing
    plain.set(loop)
    assert getter() is loop


@pytest.mark.parametrize(
    ("get", "complaint"),
    [
        (lambda self: 1 / 0, r"get\(\) raised ZeroDivisionError\('division by zero'\)"),
        (lambda self: "no loop", r"get\(\) returned 'no loop'"),
    ],
)
def test_getter_raises_resolver_error_if_get_breaks_the_contract(get, complaint):
    getter = type("Broken", (Plain,), {"get": get})().getter(StandInLoop)
    where = r"in thread '(\w+)', for the context that Broken finds in thread '\1'\. Fix the resolver"
    with pytest.raises(ResolverError, match=f"resolver Broken: {complaint}, {where}"):
        getter()


def test_getter_passes_on_a_resolver_error_of_get():
    complaint = ResolverError("there is no notebook here")

    class Complaining(Plain):
        def get(self):
            raise complaint

    with pytest.raises(ResolverError) as caught:
        Complaining().getter(StandInLoop)()
    assert caught.value is complaint


def test_a_context_that_cannot_be_described_is_left_out_of_the_message():
    class Broken(Plain):
        def get(self):
            return "no loop"

        def describe(self):
            raise LookupError("nowhere")

    with pytest.raises(ResolverError, match=r"get\(\) returned 'no loop', in thread '\w+'\. Fix the resolver"):
        Broken().getter(StandInLoop)()


def test_setter_binds_loops_and_passes_on_everything_else(plain):
    others, loop = [], StandInLoop()
    setter = plain.setter(others.append)
    setter(loop)
    setter(None)
    setter("no loop")
    assert plain.get() is loop
    assert others == [None, "no loop"]


def test_a_lease_is_bound_and_ends_at_the_next_set(plain):
    loop = plain.bindings.lease(asyncio.SelectorEventLoop)
    assert plain.get() is loop
    other = StandInLoop()
    plain.bindings.bind(other)
    assert loop.is_closed()
    assert plain.get() is other


def test_a_lease_ends_when_its_context_is_cleared(plain):
    loop = plain.bindings.lease(asyncio.SelectorEventLoop)
    (lease,) = [lease for lease in open_leases() if lease.loop is loop]
    plain.bindings.clear()
    assert loop.is_closed()
    assert lease.loop is None  # the lease has ended, although a variable refers to it
    assert plain.get() is None


def test_only_the_resolver_that_was_entered_has_the_innermost_scope(plain):
    lease = Lease("a test")
    lease.open(asyncio.SelectorEventLoop)
    other = Plain()
    tokens = [resolver.bindings.enter_scope(lease) for resolver in (plain, other)]
    assert plain.bindings.is_innermost_scope(lease, tokens[0])
    assert not plain.bindings.is_innermost_scope(lease, tokens[1])
    assert not plain.bindings.is_innermost_scope(lease, None)  # a token of another kind of bindings
    for resolver, token in zip((plain, other), tokens):
        resolver.bindings.leave_scope(token)
    lease.release()


def test_a_loop_that_is_bound_counts_as_set(plain):
    plain.bindings.bind(StandInLoop())
    assert plain.bindings.was_set() is True


def test_a_lease_that_a_set_ends_while_its_loop_runs_warns(plain):
    loop = plain.bindings.lease(asyncio.SelectorEventLoop)

    async def main():
        with pytest.warns(ResourceWarning, match="still running at the end of its lease"):
            plain.bindings.bind(None)
            gc.collect()

    loop.run_until_complete(main())
    assert not loop.is_closed()
    loop.close()


def test_a_lease_ends_with_its_thread(plain):
    loop = in_new_thread(lambda: plain.bindings.lease(asyncio.SelectorEventLoop))
    for _ in range(4):  # PyPy
        gc.collect()
    assert loop.is_closed()


def test_bind_leaves_a_leased_loop_open_that_is_no_longer_bound(plain):
    loop = plain.bindings.lease(asyncio.SelectorEventLoop)
    plain.set(StandInLoop())
    plain.bindings.bind(None)
    assert not loop.is_closed()
    loop.close()


def test_a_scope_is_entered_and_left(plain):
    before, lease = StandInLoop("before"), Lease("a scope")
    plain.set(before)
    loop = lease.open(StandInLoop)
    former = plain.bindings.enter_scope(lease)
    assert plain.get() is loop
    assert plain.bindings.is_innermost_scope(lease, former)
    plain.set(None)  # as asyncio.run() ends
    assert plain.bindings.is_innermost_scope(lease, former)
    plain.set(StandInLoop("another"))
    assert not plain.bindings.is_innermost_scope(lease, former)
    assert in_new_thread(lambda: plain.bindings.is_innermost_scope(lease, former)) is False
    plain.bindings.leave_scope(former)
    assert plain.get() is before
    loop.close()
