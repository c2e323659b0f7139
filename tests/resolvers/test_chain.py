"""The context is the context of the first resolver that applies here."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ctxpolicy import (
    ChainResolver,
    ContextPolicy,
    KeyedResolver,
    NoCurrentLoopError,
    OptionError,
    ProcessResolver,
    ResolverError,
    TaskResolver,
    ThreadResolver,
)
from ctxpolicy.testing import RecordingResolver, StandInLoop


def test_a_chain_of_nothing_is_refused():
    with pytest.raises(OptionError, match="at least one resolver"):
        ChainResolver()


def test_what_is_no_resolver_is_refused():
    with pytest.raises(OptionError, match="takes resolvers, not 'task'.*get_resolver"):
        ChainResolver("task")


def test_the_first_that_applies_is_asked():
    task, thread = TaskResolver(), ThreadResolver()
    chain, of_task, of_thread = ChainResolver(task, thread), StandInLoop(), StandInLoop()
    chain.set(of_thread)

    async def main():
        chain.set(of_task)
        return task.get(), chain.get(), thread.get(), chain.describe()

    *loops, name = asyncio.run(main())
    assert loops == [of_task, of_task, of_thread]
    assert name.startswith("task ")
    assert chain.get() is thread.get() is of_thread
    assert chain.describe() == f"thread {threading.current_thread().name!r}"
    assert chain.applies() is True


def test_whether_a_context_is_one_threads_alone_the_present_resolver_says():
    key = ["a tenant"]
    chain = ChainResolver(KeyedResolver(lambda: key[0]), ProcessResolver())
    assert chain.bindings.is_thread_exclusive() is True
    key[0] = None
    assert chain.bindings.is_thread_exclusive() is False


@pytest.fixture
def nowhere():
    return ChainResolver(TaskResolver())


def test_where_none_applies_nothing_is_bound_and_nothing_can_be(nowhere):
    assert nowhere.applies() is False
    assert nowhere.get() is nowhere.binding() is None
    assert nowhere.bindings.is_thread_exclusive() is False
    assert nowhere.bindings.was_set() is True
    nowhere.set(None)
    with pytest.raises(
        ResolverError, match="no loop can be bound in thread .*, where no resolver of the chain applies"
    ):
        nowhere.set(StandInLoop())


@pytest.mark.parametrize(("missing", "error"), [("create", ResolverError), ("error", NoCurrentLoopError)])
def test_where_none_applies_a_policy_makes_no_loop(nowhere, missing, error):
    with pytest.raises(error, match="where no resolver of the chain applies"):
        ContextPolicy(nowhere, missing=missing).get_event_loop()


def test_where_none_applies_a_policy_with_asyncios_ways_makes_none_either(nowhere):
    with pytest.raises(NoCurrentLoopError):
        ContextPolicy(nowhere).get_event_loop()


def test_all_are_told_when_a_policy_comes_into_force_and_in_reverse_when_it_goes():
    log = []
    chain = ChainResolver(*(_logging(log, name) for name in "abc"))
    chain.installed()
    chain.uninstalled()
    assert log == ["a in", "b in", "c in", "c out", "b out", "a out"]


def test_where_one_fails_those_that_were_told_before_are_told_of_the_end():
    log = []
    broken = _logging(log, "broken")
    broken.installed = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        ChainResolver(_logging(log, "a"), _logging(log, "b"), broken).installed()
    assert log == ["a in", "b in", "b out", "a out"]


def _logging(log, name):
    resolver = RecordingResolver()
    resolver.installed = lambda: log.append(f"{name} in")
    resolver.uninstalled = lambda: log.append(f"{name} out")
    return resolver
