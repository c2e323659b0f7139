"""A cache of idle threads. Each thread runs one isolated call at a time.

The design is that of trio's thread cache (``trio/_core/_thread_cache.py``). The number of threads has no limit: a job
takes an idle thread or starts a new one. No job ever waits for a thread. Therefore jobs that wait for other jobs never
deadlock, at any depth and however they wait. A caller that wants a limit uses a semaphore.
"""

from __future__ import annotations

import atexit
import contextvars
import queue
import threading
from typing import Final, Protocol, final

from ctxpolicy._fork import RESOLVER, renew_after_fork

__all__ = ["Job", "ThreadCache", "Worker", "thread_cache"]

_IDLE_SECONDS: Final = 10.0  # a thread ends after this time without a job; trio's value
_JOIN_SECONDS_AT_EXIT: Final = 1.0  # how long interpreter exit waits for each idle thread


class Job(Protocol):
    """A job that a thread of the cache runs."""

    def run(self) -> None:
        """Do the work. Raises nothing."""

    def finish(self) -> None:
        """Report the end of the work to the caller. Raises nothing."""


@final
class ThreadCache:
    """The idle threads. The thread that became idle last is taken first, so that the others can end.

    No method takes a lock. ``popitem()``, ``pop()`` and the assignment of an item are atomic: if several threads want
    the same idle thread, exactly one of them gets it.
    """

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Start without threads, because the parent's threads do not exist in a forked child."""
        self.generation = 0
        self._idle: dict[Worker, None] = {}

    def submit(self, job: Job) -> None:
        """Give ``job`` to an idle thread or to a new one.

        Raises:
            RuntimeError: no thread is idle, and none can be started.
        """
        try:
            worker, _ = self._idle.popitem()
        except KeyError:
            worker = Worker(self)
        worker.inbox.put(job)

    def add(self, worker: Worker) -> bool:
        """Add ``worker``, which has done its job, and return whether it must wait for another job."""
        self._idle[worker] = None
        # close() changes the generation first and empties the cache afterwards. Either this check sees the new
        # generation, or close() finds the worker in the cache.
        return worker.generation == self.generation or not self.remove(worker)

    def remove(self, worker: Worker) -> bool:
        """Remove ``worker`` if it is idle. Return ``False`` if it has been taken and is about to receive a job."""
        return self._idle.pop(worker, worker) is None

    def close(self, wait: float | None = None) -> None:
        """End the idle threads now, and the busy ones after their jobs. Later jobs start new threads.

        Args:
            wait: seconds to wait for the end of each idle thread; ``None``: no limit.
        """
        self.generation += 1
        idle = [worker for worker in list(self._idle) if self.remove(worker)]
        for worker in idle:
            worker.inbox.put(None)
        for worker in idle:
            worker.thread.join(wait)


@final
class Worker:
    """A thread of the cache.

    The names of ``threading`` and ``queue`` are looked up here, when a thread is started, and not at import: gevent may
    replace them after this module was imported.

    Attributes:
        inbox: receives the next job; ``None`` ends the thread.
        generation: the generation of the cache when the thread was started.
    """

    def __init__(self, cache: ThreadCache) -> None:
        self._cache = cache
        self.inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.generation = cache.generation
        # A daemon, because a call that never ends must not prevent the exit of the interpreter.
        self.thread = threading.Thread(target=self._work, name="ctxpolicy-isolate", daemon=True)
        # With -X thread_inherit_context=1 a new thread starts in a copy of the present contextvars context, and would
        # keep it alive.
        contextvars.Context().run(self.thread.start)

    def _work(self) -> None:
        while self._serve():
            pass

    def _serve(self) -> bool:
        """Wait for a job, run it, and return whether to wait for another one.

        This is a separate method, so that no variable refers to a job while the thread waits for the next one.
        """
        try:
            job = self.inbox.get(timeout=_IDLE_SECONDS)
        except queue.Empty:
            return not self._cache.remove(self)
        if job is None:
            return False
        job.run()
        stays = self._cache.add(self)
        # This comes last, because a caller that makes its next call at once must find this thread idle.
        job.finish()
        return stays


thread_cache: Final = ThreadCache()
renew_after_fork(thread_cache, RESOLVER)


@atexit.register
def _close_at_exit() -> None:
    thread_cache.close(wait=_JOIN_SECONDS_AT_EXIT)
