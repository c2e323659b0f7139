"""The cost of a get while many other contexts are alive."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from typing import NamedTuple

from ctxpolicy import ContextPolicy, ContextResolver, ContextVarResolver, KeyedResolver, TaskResolver
from tests.benchmarks.measure import Effort, Measured, compare
from tests.benchmarks.rows import Reach, Row
from tests.benchmarks.sides import calls, floor_policy

__all__ = ["ROWS"]


class Kind(NamedTuple):
    """A kind of context: a resolver, and a context manager that keeps many other contexts with a bound loop alive."""

    resolver: ContextResolver
    alive: Callable[[int], AbstractAsyncContextManager[None]]


def _contexts() -> Kind:
    resolver = ContextVarResolver()

    @asynccontextmanager
    async def alive(count: int) -> AsyncIterator[None]:
        others = [contextvars.copy_context() for _ in range(count)]
        for other in others:
            other.run(resolver.set, asyncio.get_running_loop())
        yield
        others.clear()

    return Kind(resolver, alive)


def _keys() -> Kind:
    key: contextvars.ContextVar[int] = contextvars.ContextVar("key", default=-1)
    resolver = KeyedResolver(key.get)

    @asynccontextmanager
    async def alive(count: int) -> AsyncIterator[None]:
        for other in range(count):
            key.set(other)
            resolver.set(asyncio.get_running_loop())
        key.set(-1)
        yield
        for other in range(count):
            resolver.release(other)

    return Kind(resolver, alive)


def _tasks() -> Kind:
    resolver = TaskResolver()

    async def other(gate: asyncio.Future[None]) -> None:
        resolver.set(asyncio.get_running_loop())
        await gate

    @asynccontextmanager
    async def alive(count: int) -> AsyncIterator[None]:
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        others = [asyncio.create_task(other(gate)) for _ in range(count)]
        await asyncio.sleep(0)  # each runs up to the gate
        yield
        gate.set_result(None)
        await asyncio.wait(others)

    return Kind(resolver, alive)


def _flat(make: Callable[[], Kind], count: Callable[[Effort], int]) -> Callable[[Effort], Measured]:
    def measure(effort: Effort) -> Measured:
        with closing(asyncio.SelectorEventLoop()) as loop:
            return loop.run_until_complete(_many_against_one(make(), count(effort), effort))

    return measure


async def _many_against_one(kind: Kind, count: int, effort: Effort) -> Measured:
    policy, floor = ContextPolicy(kind.resolver), floor_policy()
    for either in (policy, floor):
        either.set_event_loop(asyncio.get_running_loop())

    async def with_others(count: int) -> Measured:
        async with kind.alive(count):
            # The peer is the floor policy, which does not depend on the number of contexts. The machine's speed may
            # change between the comparisons.
            return compare(calls(policy.get_event_loop), calls(floor.get_event_loop), effort)

    before, many, after = [await with_others(others) for others in (1, count, 1)]
    return Measured(2 * many.value / (before.value + after.value), many.subject, before.subject)


def _rows(name: str, words: str, make: Callable[[], Kind]) -> list[Row]:
    def row(suffix: str, count: Callable[[Effort], int], number: str) -> Row:
        what = f"get in one context, {number} other {words} alive"
        return Row(f"{name}-{suffix}", what, "1 other alive", _flat(make, count), reach=Reach(1.1))

    return [
        row("thousand", lambda effort: effort.many // 1000, "1,000"),
        row("million", lambda effort: effort.many, "1,000,000"),
    ]


ROWS = [
    *_rows("contexts", "contextvars contexts", _contexts),
    *_rows("tasks", "tasks", _tasks),
    *_rows("keys", "keys", _keys),
]
