"""Run a loop of this thread until a coroutine is done, and see Ctrl-C through."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Coroutine
from typing import Any, TypeVar

from ctxpolicy._asyncio import Runner

__all__ = ["run_until_done"]

T = TypeVar("T")


def run_until_done(loop: AbstractEventLoop, coro: Coroutine[Any, Any, T]) -> T:
    """Return the result of ``coro``, run on ``loop`` here; the loop stays open.

    Ctrl-C in the main thread cancels it, and raises ``KeyboardInterrupt`` after its end, as ``asyncio.run()`` does.
    """
    # asyncio's runner has the signal handling; it binds and closes no loop unless it is told to.
    try:
        result: T = Runner(loop_factory=lambda: loop).run(coro)
    except (KeyboardInterrupt, SystemExit):
        # These stop the loop before it has told anybody of the task's end: the task would say, whenever it is dropped,
        # that its exception was never retrieved. asyncio.run() goes on to run the loop at this point.
        loop.call_soon(loop.stop)
        loop.run_forever()
        raise
    return result
