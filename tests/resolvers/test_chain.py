"""A chain uses the context of its first resolver that applies."""

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


def test_an_empty_chain_is_refused():
    with pytest.raises(OptionError, match="at least one resolver"):
        ChainResolver()


def test_an_object_that_is_not_a_resolver_is_refused():
    with pytest.raises(OptionError, match="takes resolvers, not 'task'.*get_resolver"):
        ChainResolver("task")


def test_the_first_resolver_that_applies_is_used():
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


def test_the_resolver_that_applies_says_whether_the_context_is_thread_exclusive():
    key = ["a tenant"]
    chain = ChainResolver(KeyedResolver(lambda: key[0]), ProcessResolver())
    assert chain.bindings.is_thread_exclusive() is True
    key[0] = None
    assert chain.bindings.is_thread_exclusive() is False


@pytest.fixture
def nowhere():
    return ChainResolver(TaskResolver())


def test_if_no_resolver_applies_nothing_is_bound_and_nothing_can_be(nowhere):
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
def test_if_no_resolver_applies_a_policy_creates_no_loop(nowhere, missing, error):
    with pytest.raises(error, match="where no resolver of the chain applies"):
        ContextPolicy(nowhere, missing=missing).get_event_loop()


def test_if_no_resolver_applies_a_policy_with_the_default_missing_creates_no_loop(nowhere):
    with pytest.raises(NoCurrentLoopError):
        ContextPolicy(nowhere).get_event_loop()


def test_installed_is_called_in_order_and_uninstalled_in_reverse_order():
    log = []
    chain = ChainResolver(*(_logging(log, name) for name in "abc"))
    chain.installed()
    chain.uninstalled()
    assert log == ["a in", "b in", "c in", "c out", "b out", "a out"]


def test_if_installed_fails_uninstalled_is_called_on_the_resolvers_before():
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
