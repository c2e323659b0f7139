"""greenlets that each run a loop, and a greenlet in which sync code awaits, as in SQLAlchemy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import Installation
from tests.support.resolver_cases import ResolverCase

greenlet = pytest.importorskip("greenlet", reason="needs the package greenlet, which is not installed")


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def sync_double(number: int) -> int:
    """Call async code from sync code that has no loop argument."""
    return asyncio.get_event_loop().run_until_complete(double(number))


def await_only(awaitable: Awaitable[Any]) -> Any:
    """Await ``awaitable`` from sync code that :func:`spawn` runs."""
    return greenlet.getcurrent().parent.switch(awaitable)


async def spawn(function: Callable[..., Any], *args: Any) -> Any:
    """Run sync code in a greenlet, and await the awaitables that :func:`await_only` passes on."""
    child = greenlet.greenlet(function)
    result = child.switch(*args)
    while not child.dead:
        result = child.switch(await result)
    return result


def test_greenlets_that_switch_each_have_a_loop_under_the_greenlet_resolver() -> None:
    def job(number: int) -> tuple[int, bool]:
        loop = asyncio.get_event_loop()
        doubled = sync_double(number)
        main.switch()  # let the other greenlets run before this one ends
        return sync_double(doubled), asyncio.get_event_loop() is loop

    main = greenlet.getcurrent()
    with ctxpolicy.install("greenlet", missing="create"):
        children = [greenlet.greenlet(job) for _ in range(3)]
        for number, child in enumerate(children):
            child.switch(number)
        assert [child.switch() for child in children] == [(0, True), (4, True), (8, True)]


def test_a_loop_bound_in_one_greenlet_is_seen_in_others_only_in_a_shared_context(resolver_case: ResolverCase) -> None:
    def bind() -> None:
        asyncio.set_event_loop(loop)
        main.switch()
        asyncio.set_event_loop(None)

    main = greenlet.getcurrent()
    with ctxpolicy.install(resolver_case.make()) as installation:
        loop = asyncio.new_event_loop()
        child = greenlet.greenlet(bind)
        child.switch()
        seen = installation.policy.resolver.get()
        child.switch()
        loop.close()
    # Every greenlet has a contextvars context of its own.
    own = resolver_case.name in ("greenlet", "contextvar", "contextvar-any-thread")
    assert seen is (None if own else loop)


def test_sync_code_awaits_through_a_greenlet(installed: Installation) -> None:
    def sync(number: int) -> int:
        return await_only(double(number)) + await_only(double(number))

    async def main() -> list[int]:
        return await asyncio.gather(*(spawn(sync, number) for number in range(4)))

    assert asyncio.run(main()) == [0, 4, 8, 12]


def test_a_greenlet_inside_a_coroutine_finds_the_running_loop(installed: Installation) -> None:
    async def main() -> bool:
        return await spawn(asyncio.get_event_loop) is asyncio.get_running_loop()

    assert asyncio.run(main()) is True
