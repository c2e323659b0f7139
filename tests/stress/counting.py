"""The numbers of jobs and forks of the stress tests, and the objects that are counted before and after them."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Iterator
from typing import Final, NamedTuple

from ctxpolicy._loops.pool import loop_pool

__all__ = ["FORKS", "JOBS", "nothing_piles_up"]

# A thousand jobs by default, which take seconds. CTXPOLICY_STRESS_JOBS=100000 asks for the full number.
JOBS: Final = int(os.environ.get("CTXPOLICY_STRESS_JOBS", "1000"))
# CTXPOLICY_STRESS_FORKS=1000 asks for more forks.
FORKS: Final = int(os.environ.get("CTXPOLICY_STRESS_FORKS", "140"))

# Objects that the interpreter and asyncio keep for themselves (caches, free lists), and objects of the test itself: far
# fewer than one object a job.
_SLACK: Final = 250


class _Count(NamedTuple):
    descriptors: int
    threads: int
    objects: int


@contextlib.contextmanager
def nothing_piles_up() -> Iterator[None]:
    """Fail unless the block leaves as many open descriptors, threads and live objects as there were before.

    Run the code once before, on a smaller scale, so that objects which are created only once exist already.
    """
    before = _count()
    yield
    after = _count()
    assert after.descriptors <= before.descriptors, (before, after)
    assert after.threads <= before.threads, (before, after)
    assert after.objects <= before.objects + _SLACK, (before, after)


def _count() -> _Count:
    loop_pool.close()  # The pool keeps a few loops on purpose.
    objects = _live_objects()
    while (fewer := _live_objects()) < objects:  # PyPy frees a chain of objects with finalizers in several rounds
        objects = fewer
    return _Count(len(os.listdir("/dev/fd")), threading.active_count(), objects)


def _live_objects() -> int:
    for _ in range(4):
        gc.collect()
    return len(gc.get_objects())
