"""A thread pool in which no job sees the contextvars context of another job."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, ParamSpec, TypeVar

from ctxpolicy._bridge.deadlock import Work, blocked_on
from ctxpolicy._contextvars import bind_to_empty_context, bind_to_snapshot_context
from ctxpolicy.errors import OptionError

__all__ = ["ContextThreadPoolExecutor"]

P = ParamSpec("P")
T = TypeVar("T")


class ContextThreadPoolExecutor(ThreadPoolExecutor):
    """A ``ThreadPoolExecutor`` that runs each job in a contextvars context of its own.

    With a resolver that keeps loops per contextvars context, a loop that one job binds is therefore not bound in the
    next job, and a loop that is leased to a job is closed when the job ends. The executor can be the default executor
    of a loop.

    A deadlock is refused: if a loop blocks until a job ends (in ``result()``, ``exception()``, ``map()`` or
    ``shutdown()``, without a timeout) while the job waits for that same loop, the wait that begins second raises
    :class:`~ctxpolicy.BlockingError`.

    Args:
        context: ``"copy"``: each job starts with a copy of the contextvars context that submitted it. ``"empty"``: each
            job starts with an empty one.
        args, kwargs: as for ``ThreadPoolExecutor`` (``max_workers``, ``thread_name_prefix``, ``initializer``, ...). The
            initializer runs in the thread's own contextvars context, which no job sees.

    Raises:
        OptionError: ``context`` is neither ``"copy"`` nor ``"empty"``.
    """

    def __init__(self, *args: Any, context: Literal["copy", "empty"] = "copy", **kwargs: Any) -> None:
        if context not in ("copy", "empty"):
            raise OptionError(f"context must be 'copy' or 'empty', not {context!r}")
        super().__init__(*args, **kwargs)
        self._bind_to_context = bind_to_snapshot_context if context == "copy" else bind_to_empty_context
        self._all_jobs = Work()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Schedule ``fn(*args, **kwargs)``, as ``ThreadPoolExecutor.submit()`` does."""
        job = Work(part_of=self._all_jobs)
        bound = self._bind_to_context(_record_work(job, functools.partial(fn, *args, **kwargs)))
        # submit() may start a thread, and with -X thread_inherit_context=1 a thread starts in a copy of the contextvars
        # context of the thread that starts it. In an empty context the thread inherits nothing from the submitter.
        future: Future[T] = contextvars.Context().run(super().submit, bound)
        future.__class__ = _JobFuture  # ThreadPoolExecutor takes no class for its futures
        vars(future)["_job"] = job
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more jobs, as ``ThreadPoolExecutor.shutdown()`` does.

        Raises:
            BlockingError: a job waits for the loop of this thread. Nothing is shut down then.
        """
        if not wait:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            return
        with blocked_on(self._all_jobs):
            super().shutdown(wait=True, cancel_futures=cancel_futures)


def _record_work(job: Work, fn: Callable[[], T]) -> Callable[[], T]:
    def run() -> T:
        with job:
            return fn()

    return run


class _JobFuture(Future[T]):
    """A future whose blocking methods record that this thread waits for the job."""

    _job: Work

    def result(self, timeout: float | None = None) -> T:
        if timeout is not None or self.done():
            return super().result(timeout)
        with blocked_on(self._job):
            return super().result()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        if timeout is not None or self.done():
            return super().exception(timeout)
        with blocked_on(self._job):
            return super().exception()
