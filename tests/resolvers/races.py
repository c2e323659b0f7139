"""Threads that need a loop at the same moment."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from ctxpolicy import ContextPolicy

__all__ = ["loops_of_threads"]


def loops_of_threads(policy: ContextPolicy, threads: int = 8) -> set[asyncio.AbstractEventLoop]:
    """Return the loops that ``policy`` hands out to several threads at once."""
    barrier = threading.Barrier(threads)

    def job() -> asyncio.AbstractEventLoop:
        barrier.wait()
        return policy.get_event_loop()

    with ThreadPoolExecutor(threads) as executor:
        return {job.result() for job in [executor.submit(job) for _ in range(threads)]}
