"""Uses of the public API, which mypy and pyright check in their strictest modes; the module never runs.

`assert_type` states what a type checker has to infer. A `type: ignore` marks what a type checker has to reject: both
checkers complain about a `type: ignore` that is not needed.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context

from typing_extensions import assert_type, override

import ctxpolicy
from ctxpolicy import (
    Binding,
    ChainResolver,
    ContextPolicy,
    ContextResolver,
    ContextVarResolver,
    GreenletResolver,
    Installation,
    KeyedResolver,
    ProcessResolver,
    Registration,
    Runner,
    SlotResolver,
    TaskResolver,
    ThreadResolver,
    get_resolver,
    install,
    registered_resolvers,
    run,
    using,
)

tenant: ContextVar[str | None] = ContextVar("tenant", default=None)


async def answer() -> int:
    return 42


class OneLoop(ContextResolver):
    """A resolver on the bare contract."""

    def __init__(self) -> None:
        self._loop: AbstractEventLoop | None = None

    @override
    def get(self) -> AbstractEventLoop | None:
        return self._loop

    @override
    def set(self, loop: AbstractEventLoop | None) -> None:
        self._loop = loop

    @override
    def getter(self, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
        return lambda: self._loop or miss()


class Slots(SlotResolver):
    """A resolver on the helper class, with loops of its own kind."""

    loop_factory = asyncio.SelectorEventLoop

    def __init__(self, name: str) -> None:
        self.name = name
        self.slot: Binding | None = None

    @override
    def load(self) -> Binding | None:
        return self.slot

    @override
    def store(self, binding: Binding | None) -> None:
        self.slot = binding

    @override
    def describe(self) -> str:
        return self.name


class StrictPolicy(ContextPolicy):
    """A policy as asyncio's documentation shows how to write one."""

    @override
    def get_event_loop(self) -> AbstractEventLoop:
        loop = super().get_event_loop()
        if loop.is_closed():
            raise RuntimeError("the loop is closed")
        return loop


def make_resolvers() -> None:
    assert_type(ContextVarResolver(inherit="any-thread"), ContextVarResolver)
    assert_type(ThreadResolver(), ThreadResolver)
    assert_type(TaskResolver(), TaskResolver)
    assert_type(GreenletResolver(), GreenletResolver)
    assert_type(ProcessResolver(), ProcessResolver)
    assert_type(KeyedResolver(tenant.get, shared=True), KeyedResolver)
    assert_type(ChainResolver(KeyedResolver(tenant.get), ThreadResolver()), ChainResolver)
    assert_type(OneLoop(), OneLoop)
    assert_type(Slots("here"), Slots)
    assert_type(Slots("here").binding(), Binding | None)
    ContextVarResolver(inherit="no-thread")  # type: ignore[arg-type]
    KeyedResolver()  # type: ignore[call-arg]
    KeyedResolver(key="tenant")  # type: ignore[arg-type]
    ChainResolver("thread")  # type: ignore[arg-type]
    ContextResolver()  # type: ignore[abstract]


def find_resolvers() -> None:
    assert_type(registered_resolvers(), Mapping[str, Registration])
    assert_type(get_resolver("keyed", key=tenant.get), ContextResolver)
    assert_type(registered_resolvers()["thread"].distribution, str)


def make_policies() -> None:
    policy = ContextPolicy("task", missing="create", loop_factory="uvloop")
    assert_type(policy.get_event_loop(), AbstractEventLoop)
    assert_type(policy.new_event_loop(), AbstractEventLoop)
    assert_type(policy.resolver, ContextResolver)
    policy.set_event_loop(None)
    ContextPolicy(OneLoop(), loop_factory=asyncio.new_event_loop)
    StrictPolicy(missing="error")
    ContextPolicy(missing="sometimes")  # type: ignore[arg-type]
    policy.set_event_loop("loop")  # type: ignore[arg-type]


def needs_policy_of_asyncio(policy: asyncio.AbstractEventLoopPolicy) -> AbstractEventLoop:
    return policy.get_event_loop()


def give_policies_to_asyncio() -> None:
    asyncio.set_event_loop_policy(ContextPolicy())  # pyright: ignore[reportDeprecated]
    asyncio.set_event_loop_policy(StrictPolicy("task"))  # pyright: ignore[reportDeprecated]
    needs_policy_of_asyncio(install().policy)
    needs_policy_of_asyncio(StrictPolicy())


def install_and_undo() -> None:
    installation = install("contextvar", missing="create")
    assert_type(installation, Installation)
    assert_type(installation.policy, ContextPolicy)
    installation.uninstall()
    with install(OneLoop()) as again:
        assert_type(again, Installation)
    with using("task") as resolver:
        assert_type(resolver, ContextResolver)
    install(3)  # type: ignore[arg-type]


def run_programs() -> None:
    assert_type(run(answer()), int)
    assert_type(run(answer(), resolver="task", loop_factory=asyncio.SelectorEventLoop, debug=True), int)
    with Runner(resolver=ThreadResolver()) as runner:
        assert_type(runner, Runner)
        assert_type(runner.run(answer(), context=copy_context()), int)
        assert_type(runner.get_loop(), AbstractEventLoop)
    run(answer)  # type: ignore[arg-type]


def say_version() -> None:
    assert_type(ctxpolicy.__version__, str)
