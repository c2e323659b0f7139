"""asyncio.Runner for Python 3.10, adapted from CPython 3.11's ``Lib/asyncio/runners.py``."""

from __future__ import annotations

import contextvars
import functools
import signal
from asyncio import AbstractEventLoop, coroutines, events, exceptions, runners
from collections.abc import Callable, Coroutine, Generator
from types import FrameType, TracebackType
from typing import Any, TypeVar, final

from ctxpolicy._threads import is_main_thread

__all__ = ["Runner"]

T = TypeVar("T")


class Runner:
    """Owns a loop: creates it when it is first needed, and shuts it down at the end of the ``with`` block."""

    def __init__(
        self, *, debug: bool | None = None, loop_factory: Callable[[], AbstractEventLoop] | None = None
    ) -> None:
        self._debug = debug
        self._loop_factory = loop_factory
        self._loop: AbstractEventLoop | None = None
        self._context = contextvars.Context()
        self._closed = False
        self._interrupts = 0

    def __enter__(self) -> Runner:
        self.get_loop()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancel the remaining tasks, shut the loop down and close it."""
        loop = self._loop
        if loop is None:
            return
        try:
            runners._cancel_all_tasks(loop)  # type: ignore[attr-defined]  # private
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            if self._loop_factory is None:
                events.set_event_loop(None)
            loop.close()
            self._loop = None
            self._closed = True

    def get_loop(self) -> AbstractEventLoop:
        """Return the loop, and create it if necessary."""
        if self._closed:
            raise RuntimeError("Runner is closed")
        if self._loop is None:
            self._loop = self._new_loop()
            self._context = contextvars.copy_context()
        return self._loop

    def run(self, coro: Coroutine[Any, Any, T], *, context: contextvars.Context | None = None) -> T:
        """Run ``coro`` in the loop and return its result."""
        if not coroutines.iscoroutine(coro):
            raise ValueError(f"a coroutine was expected, got {coro!r}")
        if events._get_running_loop() is not None:
            raise RuntimeError("Runner.run() cannot be called from a running event loop")
        loop = self.get_loop()
        task = loop.create_task(_InContext(coro, self._context if context is None else context))
        handler = self._handle_sigint(task)
        self._interrupts = 0
        try:
            return loop.run_until_complete(task)
        except exceptions.CancelledError:
            if self._interrupts > 0:
                raise KeyboardInterrupt from None
            raise
        finally:
            if handler is not None and signal.getsignal(signal.SIGINT) is handler:
                signal.signal(signal.SIGINT, signal.default_int_handler)

    def _new_loop(self) -> AbstractEventLoop:
        if self._loop_factory is not None:
            loop = self._loop_factory()
        else:
            loop = events.new_event_loop()
            events.set_event_loop(loop)
        if self._debug is not None:
            loop.set_debug(self._debug)
        return loop

    def _handle_sigint(self, task: Any) -> Callable[[int, FrameType | None], Any] | None:
        if not is_main_thread():
            return None
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return None
        handler = functools.partial(self._on_sigint, task=task)
        try:
            signal.signal(signal.SIGINT, handler)
        except ValueError:  # an embedded interpreter may not support signals in its main thread
            return None
        return handler

    def _on_sigint(self, signum: int, frame: FrameType | None, task: Any) -> None:
        self._interrupts += 1
        if self._interrupts == 1 and not task.done():
            task.cancel()
            # Wakes the loop if it is blocked in select() with a long timeout.
            task.get_loop().call_soon_threadsafe(lambda: None)
            return
        raise KeyboardInterrupt


@final
class _InContext(Coroutine[Any, Any, T]):
    """Runs each step of a coroutine in a given contextvars context: create_task() of 3.10 takes no ``context``."""

    def __init__(self, coro: Coroutine[Any, Any, T], context: contextvars.Context) -> None:
        self._coro = coro
        self._run = context.run

    def send(self, value: Any) -> Any:
        return self._run(self._coro.send, value)

    def throw(self, *error: Any) -> Any:
        return self._run(self._coro.throw, *error)

    def close(self) -> None:
        self._run(self._coro.close)

    def __await__(self) -> Generator[Any, Any, T]:
        me: Any = self
        return me  # type: ignore[no-any-return]  # an iterator, which is all that await needs

    def __next__(self) -> Any:
        return self.send(None)

    def __getattr__(self, name: str) -> Any:  # cr_frame and the like, for the task's repr and traceback
        return getattr(self._coro, name)
