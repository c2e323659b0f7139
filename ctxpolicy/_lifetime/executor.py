"""A thread pool in which no job sees the contextvars context of another."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, ParamSpec, TypeVar

from ctxpolicy._asyncio import running_loop
from ctxpolicy._contextvars import bind_to_empty_context, bind_to_snapshot_context
from ctxpolicy._lifetime import waits
from ctxpolicy.errors import OptionError

__all__ = ["ContextThreadPoolExecutor"]

P = ParamSpec("P")
T = TypeVar("T")


class ContextThreadPoolExecutor(ThreadPoolExecutor):
    """A ``ThreadPoolExecutor`` that runs each job in a contextvars context of its own.

    So a loop that one job binds (under a resolver by contextvars context) is not there in the next, and a loop leased
    to a job is closed at its end. Usable as a loop's default executor.

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

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Schedule ``fn(*args, **kwargs)``; as ``ThreadPoolExecutor.submit()``."""
        job = object()
        bound = self._bind(_working_on(job, fn))
        # In an empty contextvars context, for where new threads start in a copy of it (-X thread_inherit_context=1).
        future: Future[T] = contextvars.Context().run(super().submit, bound, *args, **kwargs)
        future.__class__ = _JobFuture  # the executor makes its futures itself
        future._job = job  # type: ignore[attr-defined]
        return future


def _working_on(job: object, fn: Callable[P, T]) -> Callable[P, T]:
    def work(*args: P.args, **kwargs: P.kwargs) -> T:
        with waits.running_job(job):
            return fn(*args, **kwargs)

    return work


class _JobFuture(Future[T]):
    """A future whose result() says that the loop of its thread stands still, so that the job can be kept from waiting."""

    _job: object

    def result(self, timeout: float | None = None) -> T:
        with waits.waited_for(self._job, running_loop(), stands_still=True):
            return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        with waits.waited_for(self._job, running_loop(), stands_still=True):
            return super().exception(timeout)
