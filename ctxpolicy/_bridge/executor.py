"""A thread pool in which no job sees the contextvars context of another."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, ParamSpec, TypeVar

from ctxpolicy._bridge.deadlock import Work, blocked_on, working_on
from ctxpolicy._contextvars import bind_to_empty_context, bind_to_snapshot_context
from ctxpolicy.errors import OptionError

__all__ = ["ContextThreadPoolExecutor"]

P = ParamSpec("P")
T = TypeVar("T")


class ContextThreadPoolExecutor(ThreadPoolExecutor):
    """A ``ThreadPoolExecutor`` that runs each job in a contextvars context of its own.

    So a loop that one job binds (under a resolver by contextvars context) is not there in the next, and a loop leased
    to a job is closed at its end. Usable as a loop's default executor. Where the job wants the very loop that blocks
    its thread to wait for the job (by ``result()``, ``exception()``, ``map()`` or ``shutdown()``, without a timeout),
    whoever comes second gets a :class:`~ctxpolicy.BlockingError`.

    Args:
        context: ``"copy"``: each job starts with a copy of the context that submitted it, ``"empty"``: with nothing.
        args, kwargs: as for ``ThreadPoolExecutor`` (``max_workers``, ``thread_name_prefix``, ``initializer``, ...); the
            initializer runs in the thread's own context, which no job sees.
    """

    def __init__(self, *args: Any, context: Literal["copy", "empty"] = "copy", **kwargs: Any) -> None:
        if context not in ("copy", "empty"):
            raise OptionError(f"context must be 'copy' or 'empty', not {context!r}")
        super().__init__(*args, **kwargs)
        self._bind = bind_to_snapshot_context if context == "copy" else bind_to_empty_context
        self._all_jobs = Work()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Schedule ``fn(*args, **kwargs)``; as ``ThreadPoolExecutor.submit()``."""
        job = Work(part_of=self._all_jobs)
        bound = self._bind(_doing(job, functools.partial(fn, *args, **kwargs)))
        # In an empty contextvars context, for where new threads start in a copy of it (-X thread_inherit_context=1).
        future: Future[T] = contextvars.Context().run(super().submit, bound)
        future.__class__ = _JobFuture  # the executor makes its futures itself
        vars(future)["_job"] = job
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more jobs; as ``ThreadPoolExecutor.shutdown()``.

        Raises:
            BlockingError: a job waits for the loop of this thread. Then nothing is shut down.
        """
        if not wait:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            return
        with blocked_on(self._all_jobs):
            super().shutdown(wait=True, cancel_futures=cancel_futures)


def _doing(job: Work, fn: Callable[[], T]) -> Callable[[], T]:
    def work() -> T:
        with working_on(job):
            return fn()

    return work


class _JobFuture(Future[T]):
    """A future whose blocking methods note that its job is waited for."""

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
