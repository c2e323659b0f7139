"""Warm threads, each with a warm loop, that run one isolated call after the other."""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import os
import sys
import threading
from collections import deque
from queue import SimpleQueue
from typing import Final, Protocol, final

from ctxpolicy._asyncio.running import unset_running_loop
from ctxpolicy._bridge.forked_worker import end_child
from ctxpolicy._bridge.warm_loop import WarmLoop
from ctxpolicy._fork import RESOLVER, process, renew_after_fork
from ctxpolicy._loops.factories import LoopFactory

__all__ = ["Job", "Pool", "Worker", "pool"]

_PATIENCE: Final = 1.0  # seconds without a free thread, after which a call that an isolated one may wait for gets one
_IDLE_AT_EXIT: Final = 1.0  # seconds that interpreter exit waits for a thread that has nothing to do


class Job(Protocol):
    """What a worker runs.

    Attributes:
        factory: makes the loop to run it on; ``None``: the worker's warm one.
        parent: the worker whose job waits for this one.
        error: what it raised.
    """

    factory: LoopFactory | None
    parent: Worker | None
    error: BaseException | None

    def run(self, warm: WarmLoop, worker: Worker) -> None:
        """Run in the worker's thread and keep the outcome; raises nothing."""

    def fail(self, error: BaseException) -> None:
        """Keep ``error`` as the outcome, unless the job itself has failed."""

    def finish(self) -> None:
        """Tell the caller, when nothing of the job is left."""


class Pool:
    """Threads made when they are needed; idle ones stay, the one used last is used first.

    At most ``size`` work at once. A thread whose job waits for another job of this pool does not work, so that one more
    may: however deep jobs wait for jobs, some go on.

    Which job waits is known by the contextvars context. A thread that a job uses may not have it
    (``run_in_executor()``, a plain thread). So a call without a parent, made in any thread but the main one, is taken
    to be waited for by a job when no thread has become free for about a second.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.after_fork()

    def after_fork(self) -> None:
        """Start with no thread: those of the parent are not there in a forked child."""
        self._lock = threading.Lock()
        self._generation = 0
        self._idle: list[Worker] = []
        self._workers = 0
        self._waiting = 0
        self._queue: deque[Job] = deque()
        self._taken = 0  # how often a queued job was taken up
        self._strangers: dict[Job, None] = {}  # what is queued and may be waited for by a job that is not known
        self._adopted: dict[Job, int] = {}  # what is taken to be waited for, and by how many
        self._no_strangers: threading.Event | None = None  # set when there are none; None: nobody waits for that

    def submit(self, job: Job) -> None:
        """Have ``job`` run by an idle thread or a new one; queued where all are busy."""
        with self._lock:
            self._begin_wait(job)
            try:
                worker = self._free_worker()
            except BaseException:
                self._end_wait(job)
                raise
            if worker is None:
                self._queue.append(job)
                if job.parent is None and threading.current_thread() is not threading.main_thread():
                    self._look_after(job)
                return
            if self._queue:  # more may work than when these were queued
                self._queue.append(job)
                job = self._next()
            worker.inbox.put(job)

    def withdraw(self, job: Job) -> bool:
        """Take ``job`` back; return whether no thread has taken it up."""
        with self._lock:
            try:
                self._queue.remove(job)
            except ValueError:
                return False
            self._no_stranger(job)
            self._end_wait(job)
            return True

    def park(self, worker: Worker, done: Job) -> tuple[Job | None, bool]:
        """Note that ``worker`` is done with a job.

        Returns:
            the next job, if there is one, and whether the worker is to stay.
        """
        with self._lock:
            self._end_wait(done)
            if self._workers <= self._size + self._waiting:
                if self._queue:
                    return self._next(), True
                if worker.generation == self._generation:
                    self._idle.append(worker)
                    return None, True
            self._workers -= 1
            return None, False

    def close(self, wait: float | None = None) -> None:
        """End the threads: idle ones now, busy ones when they are done and no job is queued. Later jobs get new ones.

        Args:
            wait: seconds to wait for the end of each idle one; ``None``: no limit.
        """
        with self._lock:
            idle, self._idle = self._idle, []
            self._workers -= len(idle)
            self._generation += 1
        for worker in idle:
            worker.inbox.put(None)
        for worker in idle:
            worker.thread.join(wait)

    def _next(self) -> Job:
        self._taken += 1
        job = self._queue.popleft()
        self._no_stranger(job)
        return job

    def _look_after(self, stranger: Job) -> None:
        self._strangers[stranger] = None
        if self._no_strangers is None:
            none = threading.Event()
            thread = threading.Thread(target=self._adopt_strangers, args=[none], name="ctxpolicy-relief", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread can be started now: the next one tries again
                contextvars.Context().run(thread.start)
                self._no_strangers = none

    def _no_stranger(self, job: Job) -> None:
        self._strangers.pop(job, None)
        if not self._strangers and self._no_strangers is not None:
            self._no_strangers.set()
            self._no_strangers = None

    def _adopt_strangers(self, none_left: threading.Event) -> None:
        taken = self._taken
        while not none_left.wait(_PATIENCE):
            with self._lock:
                if self._taken == taken and self._strangers:
                    self._adopt(next(iter(self._strangers)))
                taken = self._taken

    def _adopt(self, stranger: Job) -> None:
        try:
            worker = Worker(self, self._generation)
        except RuntimeError:  # no thread can be started now
            return
        self._workers += 1
        # All beyond the bound are taken to wait, so that one more may work when this one waits.
        self._adopted[stranger] = waiting = max(0, self._workers - self._size - self._waiting)
        self._waiting += waiting
        self._queue.remove(stranger)
        self._no_stranger(stranger)
        worker.inbox.put(stranger)

    def _free_worker(self) -> Worker | None:
        if self._idle:
            return self._idle.pop()
        if self._workers >= self._size + self._waiting:
            return None
        worker = Worker(self, self._generation)
        self._workers += 1
        return worker

    def _begin_wait(self, job: Job) -> None:
        if job.parent is not None:
            job.parent.awaited += 1
            self._waiting += job.parent.awaited == 1

    def _end_wait(self, job: Job) -> None:
        if job.parent is not None:
            job.parent.awaited -= 1
            self._waiting -= job.parent.awaited == 0
        else:
            self._waiting -= self._adopted.pop(job, 0)


@final
class Worker:
    """A thread of a pool.

    Attributes:
        inbox: takes its next job; ``None`` ends it.
        generation: the pool's when it was made.
        awaited: how many jobs its job waits for.
    """

    def __init__(self, owner: Pool, generation: int) -> None:
        self._pool = owner
        self._warm: WarmLoop | None = None
        self.inbox: SimpleQueue[Job | None] = SimpleQueue()
        self.generation = generation
        self.awaited = 0
        # A daemon: a call that never ends must not keep the interpreter from its exit.
        self.thread = threading.Thread(target=self._work, name="ctxpolicy-isolate", daemon=True)
        # In an empty contextvars context, for where a new thread starts in a copy of it (-X thread_inherit_context=1).
        contextvars.Context().run(self.thread.start)

    def _work(self) -> None:
        while self._serve(self.inbox.get()):  # holds no job while it waits
            pass
        if self._warm is not None:
            self._warm.close()

    def _serve(self, job: Job | None) -> bool:
        """Run ``job``, and those that are queued; return whether to wait for more."""
        stays = False
        while job is not None:
            self._run(job)
            following, stays = self._pool.park(self, job)
            # Only now: a caller that comes again at once finds this thread idle.
            job.finish()
            job = following
        return stays

    def _run(self, job: Job) -> None:
        warm, self._warm = self._warm, None
        try:
            if job.factory is not None:
                self._warm = warm
                warm = WarmLoop(job.factory)
            elif warm is None:
                warm = WarmLoop(None)
            parent = process.id
            job.run(warm, self)
            if process.id != parent:
                end_child(job.error)
            _freshen_thread()
            if warm.clean():
                self._warm = warm
        except BaseException as error:  # noqa: BLE001 - it is the caller's; this thread must go on
            job.fail(error)


def _freshen_thread() -> None:
    """Take from this thread what a loop that is not asyncio's may leave in it."""
    unset_running_loop()
    sys.set_asyncgen_hooks(None, None)


pool: Final = Pool(min(32, (os.cpu_count() or 1) + 4))  # as many as ThreadPoolExecutor has by default
renew_after_fork(pool, RESOLVER)


@atexit.register
def _close_at_exit() -> None:
    pool.close(wait=_IDLE_AT_EXIT)
