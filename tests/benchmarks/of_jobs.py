"""What a run costs, and what a loop that is leased for a job costs."""

from __future__ import annotations

import asyncio
import contextvars
import os

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


def _leased_job() -> None:
    contextvars.Context().run(asyncio.get_event_loop)


def _job_by_hand() -> None:
    asyncio.new_event_loop().close()


def _leases(effort: Effort) -> Measured:
    policy = our_policy(missing="create")
    return compare(under(policy, jobs(_leased_job)), under(asyncios_policy(), jobs(_job_by_hand)), effort)


def _descriptors(effort: Effort) -> Measured:
    """Return how many more descriptors are open after the jobs than before."""

    def many_jobs(count: int) -> float:
        _leased_job()
        before = _open_descriptors()
        for _ in range(count):
            _leased_job()
        return _open_descriptors() - before

    return Measured(under(our_policy(missing="create"), many_jobs)(effort.jobs))


def _open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


ROWS = [
    Row(
        "run", "`asyncio.run(noop())`, policy installed", "not installed", _runs,
        reach=Reach(1.02, within_spread=True),
    ),
    Row(
        "lease", 'a loop of its own for each job, `missing="create"`, made and reclaimed',
        "`new_event_loop()` and `close()` by hand", _leases, reach=Reach(1.15), pypy=False,
    ),
    Row(
        "lease-descriptors", "open descriptors after 100,000 such jobs", "before", _descriptors,
        reach=Reach(0), unit="more", pypy=False,
    ),
]  # fmt: skip
