"""The loop that a test has left is ended in a time that has an end, whatever is in it."""

from __future__ import annotations

import asyncio
import time
from asyncio import AbstractEventLoop
from typing import Any

from ctxpolicy._asyncio import stepped_out
from ctxpolicy._inside import default_executor, leftovers

__all__ = ["end"]


def end(loop: AbstractEventLoop, deadline: float) -> bool:
    """Cancel what is in ``loop``, shut its asynchronous generators and its default executor down, and close it.

    Not by ``asyncio.Runner``, which waits for ever for a task that does not end when it is cancelled, and for minutes
    for a thread.

    Args:
        deadline: when to close it at the latest, in seconds of ``time.monotonic()``.

    Returns:
        whether everything in it has ended by then.
    """
    ended = not leftovers(loop, unknown=True) or _run(loop, deadline)
    executor = default_executor(loop)
    loop.close()  # this tells the executor's threads to end, and waits for none
    for thread in getattr(executor, "_threads", ()):
        thread.join(max(0.0, deadline - time.monotonic()))
    return ended


def _run(loop: AbstractEventLoop, deadline: float) -> bool:
    with stepped_out():
        ending: asyncio.Task[Any] = loop.create_task(_cancel_all(loop))
        ending.add_done_callback(lambda _: loop.stop())
        # Not by a timeout in the coroutine: where a task is left entered, the loop cannot run any other.
        loop.call_later(max(0.0, deadline - time.monotonic()), loop.stop)
        loop.run_forever()
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # else the log of a later test would say so
    return ending.done()


async def _cancel_all(loop: AbstractEventLoop) -> None:
    others = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others)
    await loop.shutdown_asyncgens()
