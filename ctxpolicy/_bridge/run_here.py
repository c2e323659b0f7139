"""Run a loop in this thread until a coroutine is done, and handle Ctrl-C as ``asyncio.run()`` does."""

from __future__ import annotations

import asyncio
import functools
import signal
import sys
from asyncio import AbstractEventLoop
from collections.abc import Coroutine
from types import FrameType
from typing import Any, Final, TypeVar, final

from ctxpolicy._threads import is_main_thread

__all__ = ["run_until_done"]

T = TypeVar("T")
# `_signal` is called directly because signal.getsignal() looks the handler up in an enum, does not find it there, and
# formats its repr, which for asyncio's handler contains the repr of the task. This takes 30 % of a nested run.
_signals: Final[Any] = sys.modules.get("_signal", signal)


def run_until_done(loop: AbstractEventLoop, coro: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """Run ``coro`` on ``loop`` in this thread and return the result. The loop stays open.

    Ctrl-C in the main thread cancels ``coro``, and raises ``KeyboardInterrupt`` when ``coro`` has ended, as
    ``asyncio.run()`` does. If ``loop`` runs inside an ``asyncio.run()``, whose loop is blocked meanwhile, Ctrl-C
    cancels ``coro`` first and then the main task of that ``asyncio.run()``.

    Args:
        loop: a loop that does not run.
        coro: the coroutine.
        timeout: seconds after which ``coro`` is cancelled; ``None``: no limit.

    Raises:
        TimeoutError: ``coro`` was not done after ``timeout`` (``asyncio.TimeoutError`` on Python 3.10).
    """
    try:
        return _run(loop, loop.create_task(coro if timeout is None else asyncio.wait_for(coro, timeout)))
    except (KeyboardInterrupt, SystemExit):
        # These stop the loop before it has run the task's done callbacks. Without one more run of the loop, the task
        # would log, when it is garbage-collected, that its exception was never retrieved. asyncio.run() runs the loop
        # again at this point too.
        loop.call_soon(loop.stop)
        loop.run_forever()
        raise


def _run(loop: AbstractEventLoop, task: asyncio.Task[T]) -> T:
    handler = _SigintHandler(task)
    handler.install()
    try:
        return loop.run_until_complete(task)
    except asyncio.CancelledError:
        if handler.caused_cancellation():
            raise KeyboardInterrupt from None
        raise
    finally:
        handler.uninstall()


@final
class _SigintHandler:
    """A handler of SIGINT that cancels a task, as the handler of ``asyncio.Runner`` does.

    It replaces Python's default handler. In a nested run it also replaces the handler of the ``asyncio.Runner``, or the
    handler of this class, that belongs to the blocked outer loop: such a handler alone could only cancel a task that
    cannot run. The replaced handler is then called too. It cancels the outer task, which ends when its loop runs again,
    and it raises ``KeyboardInterrupt``: after the end of that task, or at once at the second Ctrl-C.

    No other handler is replaced. Such a handler is the program's own, and may intend to stop the program later, for
    example after the current request.
    """

    __slots__ = ("_count", "_previous", "_task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self._count = 0
        self._previous: Any = None

    def install(self) -> None:
        """Replace the current handler if this is the main thread and the handler may be replaced."""
        if not is_main_thread():
            return
        self._previous = _signals.getsignal(signal.SIGINT)
        if self._previous is signal.default_int_handler or _cancels_task(self._previous):
            try:
                _signals.signal(signal.SIGINT, self)
            except ValueError:
                pass  # an embedded interpreter may not support signals in its main thread

    def uninstall(self) -> None:
        """Put the previous handler back, unless it was not replaced or the handler was changed meanwhile."""
        if _signals.getsignal(signal.SIGINT) is self:
            _signals.signal(signal.SIGINT, self._previous)

    def caused_cancellation(self) -> bool:
        """Return whether Ctrl-C alone cancelled the task, and no outer handler will raise ``KeyboardInterrupt``."""
        if self._previous is not signal.default_int_handler:
            return False
        uncancel = getattr(self._task, "uncancel", None)  # from 3.11 on
        return self._count > 0 and (uncancel is None or uncancel() == 0)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1 and not self._task.done():
            self._task.cancel()
            # This wakes the loop if it is blocked in select() with a long timeout.
            self._task.get_loop().call_soon_threadsafe(lambda: None)
            if self._previous is signal.default_int_handler:
                return
        self._previous(signum, frame)


def _cancels_task(handler: Any) -> bool:
    """Return whether ``handler`` is a handler of this class or of ``asyncio.Runner``.

    The handler of ``asyncio.Runner`` is recognized by the task that is bound to it.
    """
    if isinstance(handler, functools.partial):
        return any(asyncio.isfuture(value) for value in handler.keywords.values())
    return isinstance(handler, _SigintHandler)
