"""Run a coroutine on a loop that runs in another thread, and wait for the result in this thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar, final

from ctxpolicy._bridge.coroutines import call_or_close
from ctxpolicy._bridge.deadlock import waiting_for_loop
from ctxpolicy._loops.creation import creation_site
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import BlockingError

__all__ = ["run_on_other_thread"]

T = TypeVar("T")
_PROBE_INTERVAL: Final = 0.25  # seconds between two probes of the loop that this thread waits for
_WARN_AFTER: Final = 5.0  # seconds without a response from the loop
_GRACE: Final = 1.0  # seconds that a blocked loop has to respond after a cancellation


def run_on_other_thread(loop: AbstractEventLoop, coro: Coroutine[Any, Any, T], timeout: float | None) -> T:
    """Submit ``coro`` to ``loop``, which runs in another thread, and return the result.

    ``coro`` runs in a copy of this thread's contextvars context. If the wait ends early (because of the timeout, or of
    ``KeyboardInterrupt``), ``coro`` is cancelled, and this thread waits for its end. An exception that the loop's task
    factory raises is raised here.

    Args:
        loop: the loop.
        coro: the coroutine. It is closed if it cannot be started.
        timeout: seconds after which ``coro`` is cancelled; ``None``: no limit.

    Raises:
        BlockingError: the loop is blocked until the work of this thread ends, or it was stopped or closed meanwhile.
        TimeoutError: ``coro`` was not done after ``timeout`` (``asyncio.TimeoutError`` on Python 3.10).
    """
    with contextlib.ExitStack() as block:
        call_or_close(coro, lambda: block.enter_context(waiting_for_loop(loop, limited=timeout is not None)))
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
    raise asyncio.TimeoutError(f"not done after {timeout} seconds on {_describe(loop)}; it was cancelled there")


@final
class _Call(Generic[T]):
    """A coroutine that was submitted to a loop in another thread.

    ``start`` and ``_note_response`` run in the thread of the loop. The other methods run in the waiting thread.
    """

    def __init__(self, loop: AbstractEventLoop, coro: Coroutine[Any, Any, T]) -> None:
        self.loop = loop
        self._coro = coro
        self._task: asyncio.Task[T] | None = None
        self._error: BaseException | None = None  # the reason why there is no task
        self._cancelled = False
        self._done = threading.Event()
        self._last_response = time.monotonic()
        self._warned = False

    def start(self) -> None:
        """Start the task. The loop calls this in a copy of the contextvars context of the waiting thread.

        If the task cannot be started, or is not to be started any more, :meth:`cancel` closes the coroutine.
        """
        if self._cancelled:
            self._done.set()
            return
        try:
            self._task = self.loop.create_task(self._coro)
            self._task.add_done_callback(lambda _: self._done.set())
        except BaseException as error:  # from the loop's task factory, or an interrupt
            self._error = error
            self._done.set()
            if not isinstance(error, Exception):
                raise

    def wait(self, timeout: float | None) -> bool:
        """Start the task in the loop, and wait for the end of the task.

        Args:
            timeout: seconds; ``None``: no limit.

        Returns:
            whether the task ended within ``timeout``.
        """
        if not self._call_in_loop(self.start):
            raise self._loop_ended()
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _PROBE_INTERVAL if deadline is None else min(_PROBE_INTERVAL, deadline - time.monotonic())
            if self._done.wait(max(left, 0)):
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self._probe()

    def result(self) -> T:
        """Return the result of the task, or raise the exception of the task or of the attempt to start it."""
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            assert self._task is not None
            return self._task.result()
        finally:
            del error  # the traceback of the error refers to this frame

    def cancel(self) -> None:
        """Cancel the task, and wait for its end while the loop responds."""
        self._cancelled = True
        self._last_response = time.monotonic()
        responds = self._call_in_loop(lambda: self._task and self._task.cancel())
        while responds and not self._done.wait(_PROBE_INTERVAL):
            in_time = time.monotonic() - self._last_response <= _GRACE
            responds = in_time and self._call_in_loop(self._note_response)
        if self._task is None:
            self._coro.close()  # never started; a later call of start() sees that the call is cancelled

    def _probe(self) -> None:
        """Ask the loop for a response. Raise if the loop has ended, and warn if it has not responded for long."""
        if not self._call_in_loop(self._note_response) and not self._done.is_set():
            raise self._loop_ended()
        silence = time.monotonic() - self._last_response
        if silence > _WARN_AFTER and not self._warned:
            self._warned = True
            warnings.warn(
                f"thread {thread_name()} has waited {silence:.0f} seconds for {_describe(self.loop)}, which does not "
                "respond: it is blocked, perhaps by code that waits for this thread",
                RuntimeWarning,
                stacklevel=2,
            )

    def _loop_ended(self) -> BlockingError:
        state = "was closed" if self.loop.is_closed() else "was stopped"
        return BlockingError(f"{_describe(self.loop)} {state} before {self._coro!r} was done")

    def _call_in_loop(self, callback: Callable[[], object]) -> bool:
        """Schedule ``callback`` in the loop; return ``False`` if the loop is not running."""
        if not self.loop.is_running():
            return False
        try:
            self.loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop was closed after the check
            return False
        return True

    def _note_response(self) -> None:
        self._last_response = time.monotonic()


def _describe(loop: AbstractEventLoop) -> str:
    return f"{loop!r}, made at {creation_site(loop)},"
