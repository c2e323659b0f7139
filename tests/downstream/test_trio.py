"""trio beside asyncio: in another thread, and as a guest in asyncio's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import Installation
from tests.support.resolver_cases import ResolverCase, tenant

trio = pytest.importorskip("trio", reason="needs the package trio, which is not installed")
outcome = pytest.importorskip("outcome", reason="needs the package outcome (of trio), which is not installed")


async def double_in_trio(number: int) -> int:
    results: list[int] = []
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(add, results, number)
    return sum(results)


async def add(results: list[int], number: int) -> None:
    await trio.sleep(0)
    results.append(number)


async def double_in_asyncio(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def as_guest(main: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """Run trio in asyncio's running loop, as trio's documentation shows."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[outcome.Outcome[Any]] = loop.create_future()
    trio.lowlevel.start_guest_run(
        main,
        *args,
        run_sync_soon_threadsafe=loop.call_soon_threadsafe,
        done_callback=done.set_result,
        host_uses_signal_set_wakeup_fd=True,
    )
    return (await done).unwrap()


def test_trio_runs_in_another_thread_while_asyncio_runs_in_this_one(installed: Installation) -> None:
    async def both() -> list[int]:
        return await asyncio.gather(asyncio.to_thread(trio.run, double_in_trio, 3), double_in_asyncio(4))

    assert asyncio.run(both()) == [6, 8]


def test_trio_calls_asyncio_in_another_thread(installed: Installation) -> None:
    async def in_trio(loop: asyncio.AbstractEventLoop) -> int:
        def ask() -> int:
            return asyncio.run_coroutine_threadsafe(double_in_asyncio(5), loop).result()

        return await trio.to_thread.run_sync(ask)

    async def host() -> int:
        return await asyncio.to_thread(trio.run, in_trio, asyncio.get_running_loop())

    assert asyncio.run(host()) == 10


def test_asyncio_runs_in_a_worker_thread_of_trio(installed: Installation) -> None:
    async def in_trio() -> int:
        return await trio.to_thread.run_sync(asyncio.run, double_in_asyncio(6))

    assert trio.run(in_trio) == 12


def test_trio_runs_as_a_guest_in_asyncios_loop(installed: Installation) -> None:
    async def host() -> tuple[int, list[int]]:
        guest = asyncio.create_task(as_guest(double_in_trio, 7))
        doubled = [await double_in_asyncio(number) for number in range(3)]
        return await guest, doubled

    assert asyncio.run(host()) == (14, [0, 2, 4])


def test_a_guests_worker_threads_get_the_hosts_loop_only_with_any_thread(resolver_case: ResolverCase) -> None:
    tenant.set("acme")

    def ask() -> asyncio.AbstractEventLoop | None:
        try:
            return asyncio.get_event_loop()
        except RuntimeError:
            return None

    async def guest() -> list[asyncio.AbstractEventLoop | None]:
        await trio.sleep(0)
        return [ask(), await trio.to_thread.run_sync(ask)]

    async def host() -> None:
        loop = asyncio.get_running_loop()
        assert await as_guest(guest) == [loop, loop if resolver_case.any_thread else None]

    with ctxpolicy.install(resolver_case.make(), missing="error"):
        asyncio.run(host())


def test_guests_run_in_several_loops_one_after_the_other(installed: Installation) -> None:
    assert [asyncio.run(as_guest(double_in_trio, number)) for number in range(3)] == [0, 2, 4]
