"""Which tasks a test has made: what it leaves in a loop that a fixture keeps is the test's, not the fixture's.

Who has made a task shows in its context, a copy of its maker's: the code of a test runs in a context of the test, what
fixtures that live longer have started does not. So a server's task for a connection is the server's, though it be made
while a test runs.
"""

from __future__ import annotations

import asyncio
import functools
import weakref
from asyncio import AbstractEventLoop, BaseEventLoop, tasks
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from ctxpolicy._asyncio.loop_internals import source_traceback

__all__ = ["left_in", "making", "noting_tasks"]

# Of the task in which anyio's plugin runs tests and their fixtures alike: its context is that of whatever came first.
_ANYIOS: Final = "TestRunner._run_tests_and_fixtures"

_maker: Final[ContextVar[object]] = ContextVar("ctxpolicy_test", default=None)
_made: Final[weakref.WeakKeyDictionary[asyncio.Task[Any], object]] = weakref.WeakKeyDictionary()


class _Now:
    test: object = None


def making(test: object) -> object:
    """Have tasks be ``test``'s from now on, or nobody's for ``None``; return whose they were before."""
    previous, _Now.test = _Now.test, test
    _maker.set(test)
    return previous


def left_in(loop: AbstractEventLoop, test: object) -> list[asyncio.Task[Any]]:
    """Return the tasks in ``loop`` that ``test`` has made and that have not ended."""
    return [task for task in asyncio.all_tasks(loop) if _made.get(task) is test]


@contextmanager
def noting_tasks() -> Iterator[None]:
    """Note in the block who makes a task, in loops of asyncio's."""
    previous = vars(BaseEventLoop)["create_task"]
    BaseEventLoop.create_task = _noting(previous)  # type: ignore[method-assign]
    try:
        yield
    finally:
        BaseEventLoop.create_task = previous  # type: ignore[method-assign]


def _noting(previous: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(previous)
    def create_task(self: BaseEventLoop, *args: Any, **kwargs: Any) -> Any:
        task = previous(self, *args, **kwargs)
        maker = _maker.get() or _of_anyio(self)
        if maker is not None and isinstance(task, asyncio.Task):
            _made[task] = maker
        source = source_traceback(task)
        if source and source[-1].filename == __file__:  # in debug mode, where it says who has made the task
            del source[-1]
        return task

    return create_task


def _of_anyio(loop: BaseEventLoop) -> object:
    """Return the test that runs now, where anyio's plugin runs it in ``loop`` at this moment."""
    within = tasks.current_task(loop)
    if within is None or _Now.test is None:
        return None
    return _Now.test if getattr(within.get_coro(), "__qualname__", None) == _ANYIOS else _made.get(within)
