"""Every law of the contract, for every built-in resolver."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from ctxpolicy import ContextResolver, GreenletResolver
from ctxpolicy.testing import (
    THREADS_INHERIT_CONTEXT,
    ResolverContract,
    Run,
    contextvars_context,
    greenlet_context,
    task_context,
    thread_context,
)
from tests.support.resolver_cases import CASES, tenant

number = itertools.count()


class TestContextVar(ResolverContract):
    inherits = True

    def make_resolver(self) -> ContextResolver:
        return CASES["contextvar"].make()

    def new_context(self) -> AbstractContextManager[Run]:
        return contextvars_context()


class TestContextVarOfTasks(TestContextVar):
    def new_context(self) -> AbstractContextManager[Run]:
        return task_context()


class TestContextVarAnyThread(TestContextVar):
    any_thread = True
    thread_inherits = THREADS_INHERIT_CONTEXT

    def make_resolver(self) -> ContextResolver:
        return CASES["contextvar-any-thread"].make()


class TestThread(ResolverContract):
    def make_resolver(self) -> ContextResolver:
        return CASES["thread"].make()

    def new_context(self) -> AbstractContextManager[Run]:
        return thread_context()


class TestTask(ResolverContract):
    def make_resolver(self) -> ContextResolver:
        return CASES["task"].make()

    def new_context(self) -> AbstractContextManager[Run]:
        return task_context()


class TestTaskOutsideOfTasks(TestTask):
    def new_context(self) -> AbstractContextManager[Run]:
        return thread_context()


@pytest.mark.skipif(bool(CASES["greenlet"].missing), reason=str(CASES["greenlet"].missing))
class TestGreenlet(ResolverContract):
    def make_resolver(self) -> ContextResolver:
        return CASES["greenlet"].make()

    def new_context(self) -> AbstractContextManager[Run]:
        return greenlet_context()


class TestGreenletRunning(TestGreenlet):
    def make_resolver(self) -> ContextResolver:
        return GreenletResolver(running=True)


class TestProcess(ResolverContract):
    one_context = True

    def make_resolver(self) -> ContextResolver:
        return CASES["process"].make()


class TestKeyed(ResolverContract):
    def make_resolver(self) -> ContextResolver:
        return CASES["keyed"].make()

    @contextmanager
    def new_context(self) -> Iterator[Run]:
        name = f"tenant {next(number)}"

        def run(function):
            token = tenant.set(name)
            try:
                return function()
            finally:
                tenant.reset(token)

        yield run
        self.resolver.release(name)


class TestKeyedWithoutAKey(ResolverContract):
    def make_resolver(self) -> ContextResolver:
        return CASES["keyed"].make()

    def new_context(self) -> AbstractContextManager[Run]:
        return thread_context()


class TestKeyedShared(TestKeyed):
    any_thread = True
    thread_inherits = THREADS_INHERIT_CONTEXT

    def make_resolver(self) -> ContextResolver:
        return CASES["keyed-shared"].make()


class TestChainInTasks(ResolverContract):
    def make_resolver(self) -> ContextResolver:
        return CASES["chain"].make()

    def new_context(self) -> AbstractContextManager[Run]:
        return task_context()


class TestChainInThreads(TestChainInTasks):
    def new_context(self) -> AbstractContextManager[Run]:
        return thread_context()
