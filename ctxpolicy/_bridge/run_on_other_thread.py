"""Have a loop of another thread run a coroutine, and wait for it here."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar, final

from ctxpolicy._bridge import deadlock as waits
from ctxpolicy._loops.creation import creation_site
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import BlockingError

__all__ = ["hand_over"]

T = TypeVar("T")
_LOOK_EVERY: Final = 0.25  # seconds between looks at the loop that is waited for
_WARN_AFTER: Final = 5.0  # seconds without a sign of life
_GRACE: Final = 1.0  # seconds for a blocked loop to take note of a cancellation


def hand_over(loop: AbstractEventLoop, coro: Coroutine[Any, Any, T], timeout: float | None) -> T:
    """Run ``coro`` on ``loop``, which runs in another thread, and return its result.

    It runs in a copy of this thread's contextvars context. If the wait ends early (by ``timeout``, in seconds, or
    ``KeyboardInterrupt``) it is cancelled there, and its end is waited for. What the loop's task factory raises is
    raised here.

    Raises:
        BlockingError: the loop waits for this very thread, or it was stopped or closed meanwhile.
        TimeoutError: after ``timeout`` (``asyncio.TimeoutError`` on Python 3.10).
    """
    try:
        waiting = contextlib.ExitStack()
        waiting.enter_context(waits.handing_over(loop, limited=timeout is not None))
    except BlockingError:
        coro.close()
        raise
    with waiting:
        return _wait_for(_Call(loop, coro), timeout)


def _wait_for(call: _Call[T], timeout: float | None) -> T:
    loop = call.loop
    try:
        if call.wait(timeout):
            return call.result()
    except BaseException:
        call.cancel()
        raise
    call.cancel()
    raise asyncio.TimeoutError(f"not done after {timeout} seconds on {_name(loop)}; it was cancelled there")


@final
class _Call(Generic[T]):
    def __init__(self, loop: AbstractEventLoop, coro: Coroutine[Any, Any, T]) -> None:
        self.loop = loop
        self._coro = coro
        self._task: asyncio.Task[T] | None = None
        self._error: BaseException | None = None  # why there is no task
        self._cancelled = False
        self._done = threading.Event()
        self._alive = time.monotonic()
        self._warned = False

    def start(self) -> None:
        """Start the task; runs in the loop, in a copy of the contextvars context of the thread that waits."""
        if self._cancelled:
            self._coro.close()
            self._done.set()
            return
        try:
            self._task = self.loop.create_task(self._coro)
            self._task.add_done_callback(lambda _: self._done.set())
        except BaseException as error:  # of the loop's task factory, or an interrupt
            self._error = error
            try:
                self._coro.close()
            finally:
                self._done.set()
            if not isinstance(error, Exception):
                raise

    def wait(self, timeout: float | None) -> bool:
        """Have the loop start the task, and wait for its end; return whether it came within ``timeout`` seconds."""
        if not self._tell(self.start):
            raise self._gone()
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _LOOK_EVERY if deadline is None else min(_LOOK_EVERY, deadline - time.monotonic())
            if self._done.wait(max(left, 0)):
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self._look()

    def result(self) -> T:
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            assert self._task is not None
            return self._task.result()
        finally:
            del error  # its traceback refers to this frame

    def cancel(self) -> None:
        """Cancel the task and wait for its end, as long as its loop takes note."""
        self._cancelled = True
        self._alive = time.monotonic()
        awake = self._tell(lambda: self._task and self._task.cancel())
        while awake and not self._done.wait(_LOOK_EVERY):
            awake = time.monotonic() - self._alive <= _GRACE and self._tell(self._sign_of_life)
        if self._task is None:
            self._coro.close()  # never started; start() sees that it is cancelled, should it still be called

    def _look(self) -> None:
        if not self._tell(self._sign_of_life) and not self._done.is_set():
            raise self._gone()
        silence = time.monotonic() - self._alive
        if silence > _WARN_AFTER and not self._warned:
            self._warned = True
            warnings.warn(
                f"thread {thread_name()} has waited {silence:.0f} seconds for {_name(self.loop)}, which gives no sign "
                "of life: it is blocked, perhaps by code that waits for this very thread",
                RuntimeWarning,
                stacklevel=2,
            )

    def _gone(self) -> BlockingError:
        state = "was closed" if self.loop.is_closed() else "was stopped"
        return BlockingError(f"{_name(self.loop)} {state} before it was done with {self._coro!r}")

    def _tell(self, callback: Callable[[], object]) -> bool:
        """Have the loop call ``callback``; return whether it may."""
        if not self.loop.is_running():
            return False
        try:
            self.loop.call_soon_threadsafe(callback)
        except RuntimeError:  # closed in this moment
            return False
        return True

    def _sign_of_life(self) -> None:
        self._alive = time.monotonic()


def _name(loop: AbstractEventLoop) -> str:
    return f"{loop!r}, made at {creation_site(loop)},"
