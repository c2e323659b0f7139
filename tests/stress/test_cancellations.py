"""Calls of ctxpolicy that are cancelled at any point: no resource is lost, created twice or left open."""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ctxpolicy import LoopLocal, block_on, close_isolate_pool, fresh_loop, install, isolate
from tests.stress.counting import JOBS, nothing_piles_up


class Client:
    """A client that takes a while to open and to close. The class counts both, even if no task waits for the end."""

    opened = closed = 0
    lock = threading.Lock()

    @classmethod
    async def open(cls) -> Client:
        for _ in range(3):
            await asyncio.sleep(0)
        with cls.lock:
            cls.opened += 1
        return cls()

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        with self.lock:
            Client.closed += 1


clients = LoopLocal(Client.open, close=Client.aclose)


def in_a_scope(number: int) -> int:
    with fresh_loop() as loop:
        return loop.run_until_complete(asyncio.sleep(0, number))


async def use_the_client(number: int) -> int:
    assert await clients.get() is await clients.get()
    return number


async def block_elsewhere(number: int) -> int:
    """Let a worker thread wait for a coroutine in this loop, with a time limit or without."""
    limit = 0.0005 if number % 3 == 0 else None
    return await asyncio.to_thread(lambda: block_on(asyncio.sleep(0.001 if limit else 0, number), timeout=limit))


async def block_here(number: int) -> int:
    return block_on(use_the_client(number), nested="isolated")


async def scope_elsewhere(number: int) -> int:
    return await asyncio.to_thread(in_a_scope, number)


async def isolated(number: int) -> int:
    return await isolate(use_the_client, number)


WAYS = [use_the_client, block_elsewhere, block_here, scope_elsewhere, isolated]


async def storm(jobs: int, rng: random.Random) -> None:
    """Run jobs, twenty at a time, and cancel some of them at random points."""
    for start in range(0, jobs, 20):
        tasks = [asyncio.ensure_future(rng.choice(WAYS)(number)) for number in range(start, start + 20)]
        for task in rng.sample(tasks, 8):
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            task.cancel()
        for number, outcome in enumerate(await asyncio.gather(*tasks, return_exceptions=True), start):
            assert outcome == number or isinstance(outcome, (asyncio.CancelledError, asyncio.TimeoutError)), outcome
        assert asyncio.current_task() is not None


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_jobs_that_are_cancelled_at_random_points_leave_nothing(kind: str):
    if kind == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed")

    def run(jobs: int, seed: int) -> None:
        asyncio.run(storm(jobs, random.Random(seed)))
        close_isolate_pool()

    with install(loop_factory=kind):
        run(40, seed=1)
        with nothing_piles_up():
            run(JOBS, seed=2)
    assert Client.opened == Client.closed > 0


def test_jobs_that_are_cancelled_in_many_threads_at_once_leave_nothing():
    def in_threads(jobs: int) -> None:
        with ThreadPoolExecutor(4) as executor:
            list(executor.map(lambda seed: asyncio.run(storm(jobs, random.Random(seed))), range(4)))
        close_isolate_pool()

    with install():
        in_threads(20)
        with nothing_piles_up():
            in_threads(JOBS // 4)
    assert Client.opened == Client.closed > 0
