"""Isolated calls, cancelled at random and from many threads, leave nothing and stay apart.

``tests.stress.counting.JOBS`` is the number of calls.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from concurrent.futures import ThreadPoolExecutor

from ctxpolicy import close_isolate_pool, install, isolate
from tests.stress.counting import JOBS, nothing_piles_up

own: contextvars.ContextVar[int] = contextvars.ContextVar("own", default=-1)


async def call(number: int, choice: int) -> int:
    """Use the loop in one of several ways, most of which leave something behind."""
    loop = asyncio.get_running_loop()
    assert own.get() == number, "another call's contextvars"
    assert len(asyncio.all_tasks()) == 1, "another call's tasks"
    assert loop.get_exception_handler() is None, "another call's exception handler"
    own.set(-2)
    if choice == 1:
        await asyncio.sleep(0)
    elif choice == 2:
        loop.call_later(3600, print)
        await asyncio.sleep(0.0001)
    elif choice == 3:
        loop.set_exception_handler(lambda loop, context: None)
        loop.left = asyncio.ensure_future(asyncio.sleep(3600))  # type: ignore[attr-defined]
    elif choice == 4:
        raise LookupError(number)
    elif choice == 5:
        await asyncio.sleep(3600)
    elif choice == 6:
        own.set(number + 1)
        return await isolate(call, number + 1, 1) - 1
    return number


async def caller(number: int, rng: random.Random) -> None:
    own.set(number)
    choice = rng.randrange(7)
    timeout = 0.001 if choice == 5 else None
    try:
        assert await isolate(call, number, choice, timeout=timeout) == number
    except LookupError as error:
        if (choice, error.args) != (4, (number,)):
            raise
    except asyncio.TimeoutError:
        assert choice == 5


async def storm(jobs: int, rng: random.Random) -> None:
    """Make calls, twenty at a time, and cancel some of them at random points."""
    for start in range(0, jobs, 20):
        tasks = [asyncio.ensure_future(caller(number * 10, rng)) for number in range(start, start + 20)]
        for task in rng.sample(tasks, 7):
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome


def from_threads(count: int, jobs: int, seed: int) -> None:
    with ThreadPoolExecutor(count) as executor:
        list(executor.map(lambda number: asyncio.run(storm(jobs, random.Random(seed + number))), range(count)))
    close_isolate_pool()


def test_calls_cancelled_at_random_points_leave_nothing():
    rng = random.Random(4)

    def run(jobs: int) -> None:
        asyncio.run(storm(jobs, rng))
        close_isolate_pool()

    run(40)
    with nothing_piles_up():
        run(JOBS)


def test_calls_from_many_threads_at_once_leave_nothing():
    with install("contextvar"):
        from_threads(4, 20, seed=1)
        with nothing_piles_up():
            from_threads(4, JOBS // 4, seed=2)
