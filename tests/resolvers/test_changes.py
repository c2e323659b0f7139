"""binding_changed() sees every change of what is bound, and costs nothing where it is not overridden."""

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
    """Return a subclass of ``kind`` that keeps what binding_changed() is told."""

    class Telling(kind):
        def binding_changed(self, previous, current):
            self.__dict__.setdefault("told", []).append((previous, current))

    return Telling


@pytest.mark.parametrize("kind", [ContextVarResolver, ThreadResolver, TaskResolver])
def test_it_sees_sets_leases_scopes_and_their_ends(kind):
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


def test_it_sees_what_an_isolated_call_binds_in_its_thread():
    resolver, seen = telling(ThreadResolver)(), []

    async def main():
        resolver.told.clear()
        await isolate(lambda: seen.append(asyncio.get_event_loop()))

    with install(resolver):
        asyncio.run(main())
    assert resolver.told[:2] == [(None, seen[0]), (seen[0], None)]


def test_a_set_that_calls_the_one_of_its_base_class_is_reported_once():
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


def test_a_setter_of_its_own_is_reported_too():
    class Fast(ThreadResolver):
        def setter(self, other):
            return self.set

    resolver, loop = telling(Fast)(), StandInLoop()
    ContextPolicy(resolver).set_event_loop(loop)
    assert resolver.told == [(None, loop)]


def test_a_change_is_reported_though_the_step_failed_after_it():
    class Failing(ThreadResolver):
        def set(self, loop):
            super().set(loop)
            raise LookupError("after the change")

    resolver, loop = telling(Failing)(), StandInLoop()
    with pytest.raises(LookupError, match="after the change"):
        resolver.set(loop)
    assert resolver.told == [(None, loop)]


def test_what_the_hook_itself_binds_is_reported_once_more():
    class Refusing(ThreadResolver):
        def binding_changed(self, previous, current):
            told.append((previous, current))
            if current is loop:
                self.set(None)

    told, loop = [], StandInLoop()
    resolver = Refusing()
    resolver.set(loop)
    assert told == [(None, loop), (loop, None)]


def test_a_resolver_around_another_one_and_that_one_are_both_told():
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
    policy.set_event_loop(None)
    around.bindings.clear()
    assert inner.told == around.told == [(None, leased), (leased, loop), (loop, leased), (leased, None)]


def test_the_members_of_a_chain_are_told_of_their_own_contexts():
    task, thread = telling(TaskResolver)(), telling(ThreadResolver)()
    loop = StandInLoop()
    policy = ContextPolicy(ChainResolver(task, thread))
    policy.set_event_loop(loop)

    async def main():
        policy.set_event_loop(loop)

    asyncio.run(main())
    assert thread.told == [(None, loop)]
    assert task.told == [(None, loop)]


def test_a_key_that_is_released_is_reported_where_it_is_present():
    resolver, loop = telling(KeyedResolver)(lambda: "a"), StandInLoop()
    resolver.set(loop)
    resolver.release("another")
    resolver.release("a")
    assert resolver.told == [(None, loop), (loop, None)]


def test_each_thread_is_told_of_its_own_changes():
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


def test_where_it_is_not_overridden_nothing_is_put_around_anything():
    resolver = ContextVarResolver()
    assert type(resolver.bindings).__name__ != "ReportedBindings"
    assert not hasattr(type(resolver).set, "reports")
    assert not hasattr(type(resolver).setter, "reports")
