"""Run a loop of this thread until a coroutine is done, and see Ctrl-C through."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import AbstractEventLoop
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run_until_done"]

T = TypeVar("T")


def run_until_done(loop: AbstractEventLoop, coro: Coroutine[Any, Any, T]) -> T:
    """Return the result of ``coro``, run on ``loop`` here; a ``KeyboardInterrupt`` cancels it and waits for its end."""
    task = loop.create_task(coro)
    try:
        return loop.run_until_complete(task)
    except BaseException:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        raise
