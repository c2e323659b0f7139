"""The cost of asyncio.run(), and of a loop that is leased for a job."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable
from typing import Any

from ctxpolicy._loops.pool import loop_pool
from tests.benchmarks.measure import Effort, Measured, compare
from tests.benchmarks.rows import Reach, Row
from tests.benchmarks.sides import asyncios_policy, jobs, our_policy, under

__all__ = ["ROWS"]


async def _noop() -> None:
    pass


def _run() -> None:
    asyncio.run(_noop())


def _runs(effort: Effort) -> Measured:
    return compare(under(our_policy(), jobs(_run)), under(asyncios_policy(), jobs(_run)), effort)


def _has_a_loop() -> None:
    asyncio.get_event_loop()


def _keeps_its_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_event_loop()


def _runs_its_loop() -> None:
    asyncio.get_event_loop().run_until_complete(_noop())


def _by_hand() -> None:
    asyncio.new_event_loop().close()


def _runs_by_hand() -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_noop())
    loop.close()


def _leases(job: Callable[[], Any], by_hand: Callable[[], Any], resolver: str = "contextvar") -> Any:
    def measure(effort: Effort) -> Measured:
        leased = jobs(lambda: contextvars.Context().run(job))
        policy = our_policy(resolver, missing="create")
        return compare(under(policy, leased), under(asyncios_policy(), jobs(by_hand)), effort)

    return measure


def _descriptors(effort: Effort) -> Measured:
    """Return the number of descriptors that are open after the jobs but were not open before."""

    def many_jobs(count: int) -> float:
        contextvars.Context().run(_has_a_loop)
        before = _open_descriptors()
        for number in range(count):
            contextvars.Context().run(_keeps_its_loop if number % 2 else _runs_its_loop)
        return _open_descriptors() - before

    return Measured(under(our_policy(missing="create"), many_jobs)(effort.jobs))


def _open_descriptors() -> int:
    loop_pool.close()  # the pool keeps a few loops on purpose
    return len(os.listdir("/dev/fd"))


ROWS = [
    Row(
        "run", "`asyncio.run(noop())`, policy installed", "not installed", _runs,
        reach=Reach(1.02, within_spread=True),
    ),
    Row(
        "lease", 'a loop of its own for each job, `missing="create"`, leased and given back',
        "`new_event_loop()` and `close()` by hand", _leases(_has_a_loop, _by_hand), reach=Reach(1.15), pypy=False,
    ),
    Row(
        "lease-run", "the same, and the job runs a coroutine on it", "the same, run by hand",
        _leases(_runs_its_loop, _runs_by_hand), reach=Reach(1.15), pypy=False,
    ),
    Row(
        "lease-kept", "the same, and the job returns its loop, which therefore cannot be reused",
        "`new_event_loop()` and `close()` by hand", _leases(_keeps_its_loop, _by_hand), pypy=False,
    ),
    Row(
        "lease-descriptors", "open descriptors after 100,000 such jobs", "before", _descriptors,
        reach=Reach(0), unit="more", pypy=False,
    ),
]  # fmt: skip
