"""Find the test that created a task: a task that a test leaves in a loop of a fixture is a leak of the test.

A task runs in a copy of the contextvars context of the code that created the task, and this context names the test.
The code of a test runs in a context of the test. Code that a fixture of a wider scope has started does not run in such
a context: the task that a server creates for a connection belongs to the server, even if a test runs at that time.
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

__all__ = ["recording_task_owners", "set_running_test", "unfinished_tasks"]

# The coroutine of the one task in which anyio's plugin runs both tests and fixtures. The context of this task does not
# tell them apart: it is a copy of the context of the first test or fixture.
_ANYIO_RUNNER: Final = "TestRunner._run_tests_and_fixtures"

_owner: Final[ContextVar[object]] = ContextVar("ctxpolicy_test", default=None)
_owners: Final[weakref.WeakKeyDictionary[asyncio.Task[Any], object]] = weakref.WeakKeyDictionary()


class _Running:
    test: object = None


def set_running_test(test: object) -> object:
    """Record ``test`` as the owner of the tasks that are created from now on; return the previous owner.

    Args:
        test: the test that runs; ``None``: the tasks belong to no test.
    """
    previous, _Running.test = _Running.test, test
    _owner.set(test)
    return previous


def unfinished_tasks(loop: AbstractEventLoop, test: object) -> list[asyncio.Task[Any]]:
    """Return the tasks in ``loop`` that ``test`` created and that are not done."""
    return [task for task in asyncio.all_tasks(loop) if _owners.get(task) is test]


@contextmanager
def recording_task_owners() -> Iterator[None]:
    """Record, during the block, which test creates each task in loops of asyncio's own classes."""
    previous = vars(BaseEventLoop)["create_task"]
    BaseEventLoop.create_task = _recording_create_task(previous)  # type: ignore[method-assign]
    try:
        yield
    finally:
        BaseEventLoop.create_task = previous  # type: ignore[method-assign]


def _recording_create_task(previous: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(previous)
    def create_task(self: BaseEventLoop, *args: Any, **kwargs: Any) -> Any:
        task = previous(self, *args, **kwargs)
        owner = _owner.get() or _owner_in_anyio(self)
        if owner is not None and isinstance(task, asyncio.Task):
            _owners[task] = owner
        source = source_traceback(task)
        # In debug mode the traceback shows where the task was created. This function does not belong in it.
        if source and source[-1].filename == __file__:
            del source[-1]
        return task

    return create_task


def _owner_in_anyio(loop: BaseEventLoop) -> object:
    """Return the running test, if anyio's plugin runs the test, or a task of the test, in ``loop`` at this moment."""
    current = tasks.current_task(loop)
    if current is None or _Running.test is None:
        return None
    return _Running.test if getattr(current.get_coro(), "__qualname__", None) == _ANYIO_RUNNER else _owners.get(current)
