"""What a test has left in a loop is ended, and the loop if it is the test's, in a time that has an end."""

from __future__ import annotations

import asyncio
import time
from asyncio import AbstractEventLoop
from collections.abc import Collection, Coroutine
from concurrent.futures import wait
from typing import Any

from ctxpolicy._asyncio.loop_internals import default_executor, pending_work, silence_destroyed
from ctxpolicy._asyncio.running import suspended_running_loop

__all__ = ["end", "end_tasks"]


def end(loop: AbstractEventLoop, deadline: float) -> bool:
    """Cancel what is in ``loop``, shut its asynchronous generators and its default executor down, and close it.

    Not by ``asyncio.Runner``, which waits for ever for a task that does not end when it is cancelled, and for minutes
    for a thread.

    Args:
        deadline: when to close it at the latest, in seconds of ``time.monotonic()``.

    Returns:
        whether everything in it has ended by then.
    """
    ended = not pending_work(loop, unknown=True) or _run(loop, _end_all(loop), deadline)
    for task in asyncio.all_tasks(loop):
        silence_destroyed(task)  # else the message appears in the log of a later test
    executor = default_executor(loop)
    loop.close()  # this tells the executor's threads to end, and waits for none
    for thread in getattr(executor, "_threads", ()):
        thread.join(max(0.0, deadline - time.monotonic()))
    return ended


def end_tasks(tasks: list[asyncio.Task[Any]], patience: float, deadline: float) -> list[asyncio.Task[Any]]:
    """Have tasks of one loop, which stays, end: they are cancelled where they do not by themselves.

    Args:
        tasks: at least one.
        patience: how many seconds they are given before, where the loop runs, in another thread.
        deadline: as for :func:`end`.

    Returns:
        those that had to be cancelled.
    """
    loop = tasks[0].get_loop()
    _run(loop, asyncio.wait(tasks, timeout=patience if loop.is_running() else 0), deadline)
    left = [task for task in tasks if not task.done()]
    if left:
        _run(loop, _cancel(left), deadline)
    return left


def _run(loop: AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], deadline: float) -> bool:
    """Have ``loop`` run ``coroutine``; return whether it has ended in time."""
    seconds = max(0.0, deadline - time.monotonic())
    if loop.is_running():
        return bool(wait([asyncio.run_coroutine_threadsafe(coroutine, loop)], seconds).done)
    with suspended_running_loop():
        task, stop = loop.create_task(coroutine), lambda _: loop.stop()
        task.add_done_callback(stop)
        # Not by a timeout in the coroutine: where a task is left entered, the loop cannot run any other.
        timer = loop.call_later(seconds, loop.stop)
        loop.run_forever()
    timer.cancel()
    task.remove_done_callback(stop)
    return task.done() or not task.cancel()


async def _end_all(loop: AbstractEventLoop) -> None:
    await _cancel(asyncio.all_tasks(loop) - {asyncio.current_task(loop)})
    await loop.shutdown_asyncgens()


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
