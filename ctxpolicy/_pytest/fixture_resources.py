"""Resources that fixtures of a wider scope than a test have created: they outlive the test and are no leaks."""

from __future__ import annotations

import threading
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from ctxpolicy._asyncio.forked_loops import tracked
from ctxpolicy._asyncio.loop_internals import default_executor
from ctxpolicy._pytest.bounded_shutdown import threads_of
from ctxpolicy._pytest.creator_threads import creator_thread, thread_pools

__all__ = ["FixtureResources"]


class FixtureResources:
    """The loops, threads and executors that fixtures of a wider scope than a test have created."""

    def __init__(self) -> None:
        self._loops: weakref.WeakSet[AbstractEventLoop] = weakref.WeakSet()
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._executors: weakref.WeakSet[Executor] = weakref.WeakSet()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Add the resources that are created in the block, in which such a fixture is set up."""
        __tracebackhide__ = True
        loops, threads, pools = set(tracked()), set(threading.enumerate()), set(thread_pools())
        try:
            yield
        finally:
            self._loops.update(loop for loop in tracked() if loop not in loops)
            self._threads.update(thread for thread in threading.enumerate() if thread not in threads)
            self._executors.update(pool for pool in thread_pools() if pool not in pools)

    def add_value(self, value: object) -> None:
        """Add the value of such a fixture, if it is an executor.

        The executor may have been created elsewhere, and it starts its threads only when it is used.
        """
        if isinstance(value, Executor):
            self._executors.add(value)

    def owns_loop(self, loop: AbstractEventLoop) -> bool:
        """Return whether a fixture, or a thread of a fixture, created ``loop``."""
        thread = creator_thread(loop)
        return loop in self._loops or (thread is not None and self.owns_thread(thread))

    def owns_thread(self, thread: threading.Thread) -> bool:
        """Return whether ``thread`` belongs to a fixture.

        A fixture started the thread, or the thread works for an executor of a fixture: one that the fixture created or
        returned, the default executor of one of its loops, or a thread pool that one of its threads created.
        """
        loops = [loop for loop in tracked() if loop in self._loops or creator_thread(loop) in self._threads]
        pools = [pool for pool in thread_pools() if creator_thread(pool) in self._threads]
        executors = [*self._executors, *pools, *map(default_executor, loops)]
        return thread in self._threads or any(thread in threads_of(executor) for executor in executors)
