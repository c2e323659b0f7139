"""binding_changed() is called for every change of the bound loop, and costs nothing if it is not overridden."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ctxpolicy import (
    ChainResolver,
    ContextPolicy,
    ContextResolver,
    ContextVarResolver,
    DelegatingResolver,
    KeyedResolver,
    TaskResolver,
    ThreadResolver,
    fresh_loop,
    install,
    isolate,
)
from ctxpolicy.testing import StandInLoop


def telling(kind):
    """Return a subclass of ``kind`` that records the arguments of binding_changed()."""

    class Telling(kind):
        def binding_changed(self, previous, current):
            self.__dict__.setdefault("told", []).append((previous, current))

    return Telling


@pytest.mark.parametrize("kind", [ContextVarResolver, ThreadResolver, TaskResolver])
def test_it_is_called_for_sets_leases_scopes_and_their_ends(kind):
    resolver, loop = telling(kind)(), StandInLoop()
    with install(resolver, missing="create"):
        leased = asyncio.get_event_loop()
        asyncio.set_event_loop(loop)
        asyncio.set_event_loop(loop)
        asyncio.set_event_loop(None)
        with fresh_loop() as inner:
            pass
        resolver.set(loop)
        resolver.bindings.clear()
    told = [(None, leased), (leased, loop), (loop, leased), (leased, inner), (inner, leased), (leased, loop)]
    assert resolver.told == [*told, (loop, None)]


def test_it_is_called_for_the_loop_that_an_isolated_call_binds_in_its_thread():
    resolver, seen = telling(ThreadResolver)(), []

    async def main():
        resolver.told.clear()
        await isolate(lambda: seen.append(asyncio.get_event_loop()))

    with install(resolver):
        asyncio.run(main())
    assert resolver.told[:2] == [(None, seen[0]), (seen[0], None)]


def test_a_set_that_calls_set_of_its_base_class_is_reported_once():
    class Base(ContextResolver):
        loop = None

        def get(self):
            return self.loop

        def set(self, loop):
            self.loop = loop

    class Derived(telling(Base)):
        def set(self, loop):
            super().set(None)
            super().set(loop)

    resolver, loop = Derived(), StandInLoop()
    resolver.set(loop)
    ContextPolicy(resolver).set_event_loop(None)
    assert resolver.told == [(None, loop), (loop, None)]


def test_sets_through_an_overridden_setter_are_reported_too():
    class Fast(ThreadResolver):
        def setter(self, other):
            return self.set

    resolver, loop = telling(Fast)(), StandInLoop()
    ContextPolicy(resolver).set_event_loop(loop)
    assert resolver.told == [(None, loop)]


def test_a_change_is_reported_although_set_fails_after_it():
    class Failing(ThreadResolver):
        def set(self, loop):
            super().set(loop)
            raise LookupError("after the change")

    resolver, loop = telling(Failing)(), StandInLoop()
    with pytest.raises(LookupError, match="after the change"):
        resolver.set(loop)
    assert resolver.told == [(None, loop)]


def test_a_change_that_the_hook_itself_makes_is_reported_too():
    class Refusing(ThreadResolver):
        def binding_changed(self, previous, current):
            told.append((previous, current))
            if current is loop:
                self.set(None)

    told, loop = [], StandInLoop()
    resolver = Refusing()
    resolver.set(loop)
    assert told == [(None, loop), (loop, None)]


def test_a_delegating_resolver_and_the_resolver_inside_both_report():
    class Around(telling(DelegatingResolver)):
        def __init__(self, inner):
            self.inner = inner

        def present(self):
            return self.inner

    inner, loop = telling(ThreadResolver)(), StandInLoop()
    around = Around(inner)
    policy = ContextPolicy(around, missing="create")
    leased = policy.get_event_loop()
    policy.set_event_loop(loop)
    around.bindings.bind(None)
    around.bindings.clear()
    assert inner.told == around.told == [(None, leased), (leased, loop), (loop, leased), (leased, None)]


def test_each_resolver_of_a_chain_reports_changes_of_its_own_context():
    task, thread = telling(TaskResolver)(), telling(ThreadResolver)()
    loop = StandInLoop()
    policy = ContextPolicy(ChainResolver(task, thread))
    policy.set_event_loop(loop)

    async def main():
        policy.set_event_loop(loop)

    asyncio.run(main())
    assert thread.told == [(None, loop)]
    assert task.told == [(None, loop)]


def test_the_release_of_the_current_key_is_reported():
    resolver, loop = telling(KeyedResolver)(lambda: "a"), StandInLoop()
    resolver.set(loop)
    resolver.release("another")
    resolver.release("a")
    assert resolver.told == [(None, loop), (loop, None)]


def test_each_thread_reports_its_own_changes():
    resolver = telling(ThreadResolver)()
    inside, done = threading.Event(), threading.Event()
    loops = [StandInLoop("slow"), StandInLoop("fast")]

    class Slow(type(resolver)):
        def set(self, loop):
            if loop is loops[0]:
                inside.set()
                done.wait()
            super().set(loop)

    resolver = Slow()
    thread = threading.Thread(target=resolver.set, args=[loops[0]])
    thread.start()
    inside.wait()
    resolver.set(loops[1])
    done.set()
    thread.join()
    assert resolver.told == [(None, loops[1]), (None, loops[0])]


def test_no_method_is_wrapped_if_it_is_not_overridden():
    resolver = ContextVarResolver()
    assert type(resolver.bindings).__name__ != "ReportedBindings"
    assert not hasattr(type(resolver).set, "reports")
    assert not hasattr(type(resolver).setter, "reports")


def test_a_method_that_is_inherited_with_its_wrapper_is_not_wrapped_again():
    base = telling(ThreadResolver)
    derived = type("Derived", (base,), {})
    assert derived.set is base.set
    assert derived.setter is base.setter
    assert hasattr(base.set, "reports")
    assert hasattr(base.setter, "reports")


@pytest.mark.parametrize("name", ["set", "setter"])
def test_a_wrapper_has_the_name_and_the_docstring_of_its_method(name):
    wrapper, method = getattr(telling(ThreadResolver), name), getattr(ThreadResolver, name)
    assert wrapper is not method
    assert (wrapper.__name__, wrapper.__doc__) == (name, method.__doc__)
