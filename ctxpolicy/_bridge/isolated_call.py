"""One isolated call: what the caller's thread does with it, and what the worker's does."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Coroutine
from types import CoroutineType
from typing import Any, Final, TypeVar, final

from ctxpolicy._asyncio.host import host
from ctxpolicy._bridge.deadlock import Wait, Work, doing, present_work
from ctxpolicy._bridge.warm_loop import WarmLoop
from ctxpolicy._bridge.worker_threads import Worker, pool
from ctxpolicy._contextvars import ContextVarExt
from ctxpolicy._fork import process
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._policy.policy import ContextPolicy

__all__ = ["IsolatedCall"]


T = TypeVar("T")


_GRACE: Final = 1.0  # seconds that a loop has to take note of a cancellation after a timeout


# The worker whose job runs here. In a contextvars context, so that threads which the job starts are known to be its.
_inside: Final[ContextVarExt[Worker | None]] = ContextVarExt("ctxpolicy.inside_isolate", default=None)


@final
class IsolatedCall(Work):
    """One isolated call; what the caller's thread touches and what the worker's touches is told apart below."""

    # As attributes of the class, which need not be set for each call.
    error: BaseException | None = None
    _task: asyncio.Task[Any] | None = None
    _cancelled = False  # func is to end: the caller was cancelled, or the time is up
    _by_caller = False
    _delivered = False  # func was told so
    _timed_out = False
    _given_up = False
    _finished = False
    _value: Any = None

    def __init__(self, func: Callable[..., Any], args: tuple[Any, ...], factory: LoopFactory | None) -> None:
        self._caller = asyncio.get_running_loop()
        super().__init__(Wait(self._caller, present_work(), stands_still=False))
        self.factory = factory
        self.parent = _inside.get_raw()
        self.woken: asyncio.Future[None] = self._caller.create_future()
        self._func = func
        self._args = args
        self._context = contextvars.copy_context()
        self._process = process.id

    # The caller's side.

    def end_after(self, seconds: float) -> asyncio.TimerHandle:
        """Have the call end after ``seconds``."""
        return self._caller.call_later(seconds, self._time_out)

    async def end(self) -> None:
        """Cancel ``func`` and wait for its end, because the caller was cancelled."""
        self._by_caller = True
        self._cancel()
        # In a child that was forked meanwhile the thread of the call is not there, and would be waited for for ever.
        while not (self._finished or self._given_up) and self._process == process.id:
            self.woken = self._caller.create_future()
            with contextlib.suppress(asyncio.CancelledError):  # once is enough
                await self.woken

    def leave(self) -> None:
        """Cancel ``func``, for whose end nobody waits. Takes no lock: a finalizer closes coroutines too."""
        self._given_up = self._cancelled = True
        self._cancel_there()

    def outcome(self, timeout: float | None) -> Any:
        """Return what ``func`` returned, or raise what it raised."""
        error, self.error = self.error, None
        try:
            late = self._given_up or (self._timed_out and isinstance(error, asyncio.CancelledError))
            if late and not self._by_caller:
                raise asyncio.TimeoutError(f"{self._func!r} was not done after {timeout} seconds") from None
            if error is not None:
                raise error
            if self._given_up or (self._by_caller and not self._delivered):
                raise asyncio.CancelledError
            return self._value
        finally:
            del error  # its traceback refers to this frame

    def _cancel(self) -> None:
        self._cancelled = True
        if pool.withdraw(self):
            self.error = asyncio.CancelledError()
            self._wake_finished()
        else:
            self._cancel_there()

    def _cancel_there(self) -> None:
        if (task := self._task) is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the task has ended meanwhile
                task.get_loop().call_soon_threadsafe(self._cancel_task, task)

    def _time_out(self) -> None:
        self._timed_out = True
        self._cancel()
        self._caller.call_later(0 if self._task is None else _GRACE, self._give_up)

    def _give_up(self) -> None:
        if not (self._finished or self._delivered):
            self._given_up = True
            self._wake()

    def _wake_finished(self) -> None:
        self._finished = True
        self._wake()
        if self._given_up and self.error is not None and not isinstance(self.error, asyncio.CancelledError):
            message = f"{self._func!r}, which isolate() had given up, raised an exception"
            self._caller.call_exception_handler({"message": message, "exception": self.error})

    def _wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)

    # The worker's side.

    def run(self, warm: WarmLoop, worker: Worker) -> None:
        """Run ``func`` on the warm loop, and keep the outcome."""
        with doing(self):
            self._context.run(self._run_here, warm, worker)

    def fail(self, error: BaseException) -> None:
        """Keep ``error`` as the outcome, unless ``func`` has failed."""
        if self.error is None:
            self.error = error

    def finish(self) -> None:
        """Wake the caller."""
        try:
            self._caller.call_soon_threadsafe(self._wake_finished)
        except RuntimeError:
            pass  # the caller's loop was closed meanwhile

    def _run_here(self, warm: WarmLoop, worker: Worker) -> None:
        if self._cancelled:
            self.error = asyncio.CancelledError()
            return
        _inside.set(worker)
        try:
            unbind = _bind(warm)
            try:
                result: Any = self._func(*self._args)
                if type(result) is CoroutineType:  # the two questions below take longer, in Python
                    self._run_task(warm.loop, result)
                elif inspect.isawaitable(result):
                    self._run_task(warm.loop, result if asyncio.iscoroutine(result) else _awaiting(result))
                else:
                    self._value = result
            finally:
                unbind()
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            self.error = error

    def _run_task(self, loop: AbstractEventLoop, coro: Coroutine[Any, Any, Any]) -> None:
        # Nothing is raised here, nor by run_until_complete(): the traceback would refer to the loop, which then is not
        # as new.
        task = self._task = loop.create_task(coro)
        task.add_done_callback(_stop)
        if self._cancelled:
            self._cancel_task(task)
        try:
            loop.run_forever()
        except BaseException as error:  # noqa: BLE001 - SystemExit or KeyboardInterrupt, of this task or of another
            self.error = error
        self._task = None
        if not task.done():
            self.fail(RuntimeError(f"{self._func!r} stopped its loop before it was done"))
        elif task.cancelled():
            self.error = asyncio.CancelledError()
        elif (raised := task.exception()) is not None:
            self.error = raised
        else:
            self._value = task.result()

    def _cancel_task(self, task: asyncio.Task[Any]) -> None:
        if not self._delivered:
            self._delivered = task.cancel()


async def _awaiting(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _stop(task: asyncio.Task[Any]) -> None:
    task.get_loop().stop()


def _bind(warm: WarmLoop) -> Callable[[], object]:
    """Bind the warm loop, and return what unbinds it."""
    policy = host.in_force()
    if not isinstance(policy, ContextPolicy):
        asyncio.set_event_loop(warm.loop)
        return lambda: asyncio.set_event_loop(None)
    bindings = policy.resolver.bindings
    if not bindings.is_thread_exclusive():
        return _nothing
    former = bindings.enter_scope(warm.lease)
    return lambda: bindings.leave_scope(former)


def _nothing() -> None:
    pass
