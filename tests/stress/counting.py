"""How much the stress tests do, and what they count before and after."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Iterator
from typing import Final, NamedTuple

from ctxpolicy._loops.pool import loop_pool

__all__ = ["FORKS", "JOBS", "nothing_piles_up"]

# Seconds' worth by default; the full number is asked for: CTXPOLICY_STRESS_JOBS=100000.
JOBS: Final = int(os.environ.get("CTXPOLICY_STRESS_JOBS", "1000"))
# Likewise, by CTXPOLICY_STRESS_FORKS=1000.
FORKS: Final = int(os.environ.get("CTXPOLICY_STRESS_FORKS", "140"))

# What the interpreter and asyncio keep for themselves (caches, free lists) and what the test itself does; far less than
# one object a job.
_SLACK: Final = 250


class _Count(NamedTuple):
    descriptors: int
    threads: int
    objects: int


@contextlib.contextmanager
def nothing_piles_up() -> Iterator[None]:
    """Fail unless the block leaves as many open descriptors, threads and live objects as there were before.

    The block is to have been run once before, on a smaller scale, so that what is made once is there.
    """
    before = _count()
    yield
    after = _count()
    assert after.descriptors <= before.descriptors, (before, after)
    assert after.threads <= before.threads, (before, after)
    assert after.objects <= before.objects + _SLACK, (before, after)


def _count() -> _Count:
    loop_pool.close()  # which are kept on purpose, and are few
    objects = _live_objects()
    while (fewer := _live_objects()) < objects:  # what has finalizers goes in several rounds on PyPy, link by link
        objects = fewer
    return _Count(len(os.listdir("/dev/fd")), threading.active_count(), objects)


def _live_objects() -> int:
    for _ in range(4):
        gc.collect()
    return len(gc.get_objects())
