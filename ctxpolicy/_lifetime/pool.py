"""Warm threads, each with a warm loop, that run one isolated call after the other."""

from __future__ import annotations

import atexit
import contextvars
import os
import threading
from collections import deque
from queue import SimpleQueue
from typing import Final, Protocol, final

from ctxpolicy._fork import RESOLVER, renew_after_fork
from ctxpolicy._lifetime.warm import WarmLoop
from ctxpolicy.resolvers.base import LoopFactory

__all__ = ["Job", "Pool", "pool"]

_IDLE_AT_EXIT: Final = 1.0  # seconds that interpreter exit waits for a thread that has nothing to do


class Job(Protocol):
    """What a worker runs."""

    factory: LoopFactory | None

    def run(self, warm: WarmLoop) -> None:
        """Run in the worker's thread and keep the outcome; raises nothing."""

    def refuse(self, error: Exception) -> None:
        """Keep ``error`` as the outcome: the job will not be run."""

    def finish(self) -> None:
        """Tell the caller, when nothing of the call is left."""


class Pool:
    """At most ``size`` threads, made when they are needed; idle ones stay, the one used last is used first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.after_fork()

    def after_fork(self) -> None:
        """Start with no thread: those of the parent are not there in a forked child."""
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._workers = 0
        self._surplus = 0  # busy ones that are to end, because the pool was closed
        self._queue: deque[Job] = deque()

    def submit(self, job: Job, beyond: bool) -> None:
        """Have ``job`` run by an idle thread or a new one; queued where all are busy.

        Args:
            beyond: do not queue it, but take a thread more: the job that waits for this one has a thread itself.
        """
        with self._lock:
            if self._idle:
                worker = self._idle.pop()
            elif self._workers < self._size or beyond:
                worker = _Worker(self)
                self._workers += 1
            else:
                self._queue.append(job)
                return
        worker.inbox.put(job)

    def park(self, worker: _Worker) -> Job | None:
        """Return the next job for ``worker``, ``None`` after adding it to the idle ones (or ending it, if surplus)."""
        with self._lock:
            if self._queue and not self._surplus:
                return self._queue.popleft()
            if self._surplus or self._workers > self._size:
                self._retire()
                worker.inbox.put(None)
            else:
                self._idle.append(worker)
            return None

    def _retire(self) -> None:
        if self._surplus:
            self._surplus -= 1
        else:
            self._workers -= 1

    def close(self, wait: float | None = None) -> None:
        """End the idle threads and wait for them, ``wait`` seconds each (``None``: for their end).

        Busy ones end when they are done; calls that no thread has taken up are refused. Later calls make new threads.
        """
        with self._lock:
            idle, self._idle = self._idle, []
            queued, self._queue = list(self._queue), deque()
            self._workers -= len(idle)
            self._surplus += self._workers
            self._workers = 0
        for job in queued:
            job.refuse(RuntimeError("the pool of isolate() was closed before the call could be run"))
            job.finish()
        for worker in idle:
            worker.inbox.put(None)
        for worker in idle:
            worker.thread.join(wait)


@final
class _Worker:
    def __init__(self, owner: Pool) -> None:
        self._pool = owner
        self.inbox: SimpleQueue[Job | None] = SimpleQueue()
        # A daemon: a call that never ends must not keep the interpreter from its exit.
        self.thread = threading.Thread(target=self._work, name="ctxpolicy-isolate", daemon=True)
        # In an empty contextvars context, for where a new thread starts in a copy of it (-X thread_inherit_context=1).
        contextvars.Context().run(self.thread.start)

    def _work(self) -> None:
        warm: WarmLoop | None = None
        while (job := self.inbox.get()) is not None:
            while job is not None:
                warm = self._run(job, warm)
                following = self._pool.park(self)
                # Only now: a caller that comes again at once finds this thread idle.
                job.finish()
                job = following
        if warm is not None:
            warm.close()

    @staticmethod
    def _run(job: Job, warm: WarmLoop | None) -> WarmLoop | None:
        """Run ``job`` on the warm loop, or on one of its own kind; return the warm loop for the next one."""
        own = None if warm is not None and job.factory is None else _loop_for(job)
        used = own or warm
        if used is None:
            return warm
        job.run(used)
        as_new = used.clean()
        if used is warm or (own is not None and job.factory is None):
            return used if as_new else None
        return warm


def _loop_for(job: Job) -> WarmLoop | None:
    try:
        return WarmLoop(job.factory)
    except Exception as error:
        job.refuse(error)
        return None


pool: Final = Pool(min(32, (os.cpu_count() or 1) + 4))  # as many as ThreadPoolExecutor has by default
renew_after_fork(pool, RESOLVER)


@atexit.register
def _close_at_exit() -> None:
    pool.close(wait=_IDLE_AT_EXIT)
