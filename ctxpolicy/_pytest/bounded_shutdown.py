"""Shut down a loop or tasks that a test has left behind, within a bounded time."""

from __future__ import annotations

import asyncio
import time
from asyncio import AbstractEventLoop
from collections.abc import Collection, Coroutine
from concurrent.futures import Executor, wait
from typing import Any

from ctxpolicy._asyncio.loop_internals import default_executor, pending_work, silence_destroyed
from ctxpolicy._asyncio.running import suspended_running_loop

__all__ = ["end_tasks", "shut_down", "threads_of"]


def shut_down(loop: AbstractEventLoop, deadline: float) -> bool:
    """Cancel the tasks of ``loop``, shut down its asynchronous generators and its default executor, and close it.

    ``asyncio.Runner`` is not used: it waits forever for a task that ignores its cancellation, and for minutes for a
    thread.

    Args:
        loop: a loop that does not run.
        deadline: when to close the loop at the latest, in seconds of ``time.monotonic()``.

    Returns:
        whether everything in the loop has ended before the deadline.
    """
    ended = not pending_work(loop, unknown=True) or _run(loop, _end_all(loop), deadline)
    for task in asyncio.all_tasks(loop):
        silence_destroyed(task)  # otherwise the message appears in the log of a later test
    executor = default_executor(loop)
    loop.close()  # tells the executor's threads to end, and waits for none of them
    for thread in threads_of(executor):
        thread.join(max(0.0, deadline - time.monotonic()))
    return ended


def end_tasks(tasks: list[asyncio.Task[Any]], patience: float, deadline: float) -> list[asyncio.Task[Any]]:
    """End tasks of one loop, which stays open: wait for them, and cancel those that do not end.

    Args:
        tasks: at least one task.
        patience: how many seconds to wait before tasks are cancelled, if the loop runs in another thread.
        deadline: when to stop waiting, in seconds of ``time.monotonic()``.

    Returns:
        the tasks that had to be cancelled.
    """
    loop = tasks[0].get_loop()
    _run(loop, asyncio.wait(tasks, timeout=patience if loop.is_running() else 0), deadline)
    left = [task for task in tasks if not task.done()]
    if left:
        _run(loop, _cancel(left), deadline)
    return left


def threads_of(executor: Executor | None) -> Collection[Any]:
    """Return the threads of a thread pool; an empty collection for other executors and for ``None``."""
    threads: Collection[Any] = getattr(executor, "_threads", ())
    return threads


def _run(loop: AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], deadline: float) -> bool:
    """Run ``coroutine`` in ``loop`` until the deadline; return whether it has ended by then."""
    seconds = max(0.0, deadline - time.monotonic())
    if loop.is_running():
        return bool(wait([asyncio.run_coroutine_threadsafe(coroutine, loop)], seconds).done)
    with suspended_running_loop():
        task, stop = loop.create_task(coroutine), lambda _: loop.stop()
        task.add_done_callback(stop)
        # Not a timeout in the coroutine: a loop whose current task was never left can run no other task.
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
