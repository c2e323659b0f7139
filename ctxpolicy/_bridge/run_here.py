"""Run a loop of this thread until a coroutine is done, and see Ctrl-C through."""

from __future__ import annotations

import asyncio
import functools
import signal
import sys
import threading
from asyncio import AbstractEventLoop
from collections.abc import Coroutine
from types import FrameType
from typing import Any, Final, TypeVar, final

__all__ = ["run_until_done"]

T = TypeVar("T")
# The functions in C. Those of the module signal look each handler up in an enum, which is not there and so put into
# words, and with asyncio's handler its task: together 0.3 of a nested run.
_signals: Final[Any] = sys.modules.get("_signal", signal)


def run_until_done(loop: AbstractEventLoop, coro: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """Return the result of ``coro``, run on ``loop`` here; the loop stays open.

    Ctrl-C in the main thread cancels it, and raises ``KeyboardInterrupt`` after its end, as ``asyncio.run()`` does.
    Under an ``asyncio.run()`` that stands still it cancels both, this one first.

    Args:
        loop: the loop, which does not run.
        coro: the coroutine.
        timeout: seconds, after which it is cancelled; ``None``: no limit.

    Raises:
        TimeoutError: after ``timeout`` (``asyncio.TimeoutError`` on Python 3.10).
    """
    try:
        return _run(loop, loop.create_task(coro if timeout is None else asyncio.wait_for(coro, timeout)))
    except (KeyboardInterrupt, SystemExit):
        # These stop the loop before it has told anybody of the task's end: the task would say, whenever it is dropped,
        # that its exception was never retrieved. asyncio.run() goes on to run the loop at this point.
        loop.call_soon(loop.stop)
        loop.run_forever()
        raise


def _run(loop: AbstractEventLoop, task: asyncio.Task[T]) -> T:
    ctrl_c = _CtrlC(task)
    heeded = ctrl_c.heed()
    try:
        return loop.run_until_complete(task)
    except asyncio.CancelledError:
        if ctrl_c.meant():
            raise KeyboardInterrupt from None
        raise
    finally:
        if heeded:
            ctrl_c.heed_no_more()


@final
class _CtrlC:
    """The handler of SIGINT that ``asyncio.Runner`` has.

    Also in front of that one, or of another of these, where their loop stands still under this one: they can only
    cancel what cannot run. They are told too, so that theirs is cancelled when it goes on, and it is theirs to raise
    ``KeyboardInterrupt``, after the end of it or at the second Ctrl-C. Not in front of any other handler, which is the
    program's own: it may mean to stop later, when this is done.
    """

    __slots__ = ("_count", "_previous", "_task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self._count = 0
        self._previous: Any = None

    def heed(self) -> bool:
        """Take the place of the present handler, in the main thread; return whether that could be done."""
        if threading.get_ident() != threading.main_thread().ident:
            return False
        self._previous = _signals.getsignal(signal.SIGINT)
        if not (self._previous is signal.default_int_handler or _cancels_a_task(self._previous)):
            return False
        try:
            _signals.signal(signal.SIGINT, self)
        except ValueError:  # an embedded interpreter may not support signals in its main thread
            return False
        return True

    def heed_no_more(self) -> None:
        """Put the previous handler back."""
        if _signals.getsignal(signal.SIGINT) is self:
            _signals.signal(signal.SIGINT, self._previous)

    def meant(self) -> bool:
        """Tell whether it was Ctrl-C, and nothing else, that has cancelled the task, and nobody else says so."""
        if self._previous is not signal.default_int_handler:
            return False
        uncancel = getattr(self._task, "uncancel", None)  # from 3.11 on
        return self._count > 0 and (uncancel is None or uncancel() == 0)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1 and not self._task.done():
            self._task.cancel()
            # Wakes the loop if it is blocked in select() with a long timeout.
            self._task.get_loop().call_soon_threadsafe(lambda: None)
            if self._previous is signal.default_int_handler:
                return
        self._previous(signum, frame)


def _cancels_a_task(handler: Any) -> bool:
    """Tell whether ``handler`` is one of these, or ``asyncio.Runner``'s, which is known by the task bound to it."""
    if isinstance(handler, functools.partial):
        return any(asyncio.isfuture(value) for value in handler.keywords.values())
    return isinstance(handler, _CtrlC)
