"""Make a coroutine of any awaitable, and close a coroutine that will not run."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from ctxpolicy.errors import BlockingError, OptionError

__all__ = ["as_coroutine", "call_or_close"]

T = TypeVar("T")


def as_coroutine(awaitable: Awaitable[T]) -> Coroutine[Any, Any, T]:
    """Return ``awaitable`` if it is a coroutine, else a coroutine that awaits it.

    Raises:
        OptionError: ``awaitable`` is not awaitable.
        BlockingError: ``awaitable`` is a coroutine that was started before.
    """
    if not inspect.isawaitable(awaitable):
        raise OptionError(f"block_on() takes a coroutine or another awaitable, not {awaitable!r}")
    if not asyncio.iscoroutine(awaitable):
        return _await(awaitable)
    if inspect.iscoroutine(awaitable) and inspect.getcoroutinestate(awaitable) != inspect.CORO_CREATED:
        raise BlockingError(
            f"{awaitable!r} was awaited or started before, and cannot run again: call the coroutine function again"
        )
    return awaitable


def call_or_close(coro: Coroutine[Any, Any, object], function: Callable[[], T]) -> T:
    """Return the result of ``function()``. If it raises, ``coro`` will not run, and is closed.

    An unstarted coroutine that is not closed warns that it was never awaited, which would hide the error.
    """
    try:
        return function()
    except BaseException:
        coro.close()
        raise


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable
