"""Loops that are leased for jobs leave nothing, however many jobs there are (see ``tests.stress.counting.JOBS``)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from ctxpolicy import ContextThreadPoolExecutor, install
from tests.stress.counting import JOBS, nothing_piles_up


def job() -> bool:
    """Act as sync code in a worker thread: get a loop, and run a coroutine on it."""
    loop = asyncio.get_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    return loop.is_closed()


def through_to_thread(jobs: int) -> None:
    async def main() -> None:
        for _ in range(jobs // 20):
            assert await asyncio.gather(*(asyncio.to_thread(job) for _ in range(20))) == [False] * 20

    asyncio.run(main())


def through_run_in_executor(jobs: int) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(jobs // 20):
            assert await asyncio.gather(*(loop.run_in_executor(None, job) for _ in range(20))) == [False] * 20

    asyncio.run(main())


def through_a_context_executor(jobs: int) -> None:
    with ContextThreadPoolExecutor(4) as executor:
        assert not any(executor.map(lambda _: job(), range(jobs)))


def through_a_plain_executor(jobs: int) -> None:
    with ThreadPoolExecutor(4) as executor:
        assert not any(executor.map(lambda _: job(), range(jobs)))


def through_plain_threads(jobs: int) -> None:
    for _ in range(jobs // 10):
        threads = [threading.Thread(target=job) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


WAYS = [through_to_thread, through_run_in_executor, through_a_context_executor, through_a_plain_executor]


@pytest.mark.parametrize("way", [*WAYS, through_plain_threads], ids=lambda way: way.__name__.removeprefix("through_"))
def test_jobs_with_loops_of_their_own_leave_nothing(way: Callable[[int], None]):
    with install(missing="create"):
        way(40)
        with nothing_piles_up():
            way(JOBS)
