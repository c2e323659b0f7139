"""One isolated call: its caller's side, and the side of the thread that runs it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from types import CodeType, CoroutineType
from typing import Any, Final, TypeVar, final

from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.running import unset_running_loop
from ctxpolicy._bridge.deadlock import Waiter, Work, current_work
from ctxpolicy._bridge.forked_worker import end_child
from ctxpolicy._callsite import Place
from ctxpolicy._fork import process
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.lease import Lease
from ctxpolicy._policy.policy import ContextPolicy

__all__ = ["IsolatedCall"]


T = TypeVar("T")


_GRACE: Final = 1.0  # seconds that a loop has to deliver the cancellation after a timeout


@final
class IsolatedCall(Work):
    """One isolated call.

    Args:
        func: the function to call.
        args: its arguments.
        factory: the factory of the loop that ``func`` runs on.
    """

    # The initial values are attributes of the class, which saves setting them for each call.
    _error: BaseException | None = None
    _task: asyncio.Task[Any] | None = None
    _cancelled = False  # func must end, because the caller was cancelled or the timeout has expired
    _caller_cancelled = False
    _delivered = False  # the task of func has received the cancellation
    _timed_out = False
    _given_up = False  # the caller does not wait any more
    _finished = False
    _value: Any = None

    def __init__(self, func: Callable[..., Any], args: tuple[Any, ...], factory: LoopFactory) -> None:
        self._caller = asyncio.get_running_loop()
        super().__init__(Waiter(self._caller, current_work(), False))  # keywords take 0.1 us
        self.woken: asyncio.Future[None] = self._caller.create_future()
        self._func = func
        self._args = args
        self._factory = factory
        self._context = contextvars.copy_context()
        self._process = process.id

    # The caller's side.

    def end_after(self, seconds: float) -> asyncio.TimerHandle:
        """Schedule the end of the call after ``seconds``."""
        return self._caller.call_later(seconds, self._time_out)

    async def end(self) -> None:
        """Cancel ``func`` because the caller was cancelled, and wait for the end of ``func``."""
        self._caller_cancelled = True
        self._cancel()
        # In a child that was forked meanwhile, the thread of the call does not exist, and the wait would never end.
        while not (self._finished or self._given_up) and self._process == process.id:
            self.woken = self._caller.create_future()
            with contextlib.suppress(asyncio.CancelledError):  # func is cancelled only once
                await self.woken

    def leave(self) -> None:
        """Cancel ``func`` without waiting for its end. A finalizer may call this, because no lock is taken."""
        self._given_up = True
        self._cancel()

    def outcome(self, timeout: float | None) -> Any:
        """Return the result of ``func``, or raise the exception that ``func`` raised."""
        error, self._error = self._error, None
        try:
            late = self._given_up or (self._timed_out and isinstance(error, asyncio.CancelledError))
            if late and not self._caller_cancelled:
                raise asyncio.TimeoutError(f"{self._func!r} was not done after {timeout} seconds") from None
            if error is not None:
                raise error
            if self._given_up or (self._caller_cancelled and not self._delivered):
                raise asyncio.CancelledError
            return self._value
        finally:
            del error  # The traceback of the error refers to this frame.

    def _cancel(self) -> None:
        self._cancelled = True  # A thread that has not begun the call reads this, and does not call func.
        if (task := self._task) is not None:
            with contextlib.suppress(RuntimeError):  # The loop is closed: the task has ended meanwhile.
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
        if self._given_up and self._error is not None and not isinstance(self._error, asyncio.CancelledError):
            message = f"{self._func!r}, which isolate() had given up, raised an exception"
            self._caller.call_exception_handler({"message": message, "exception": self._error})

    def _wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)

    # The side of the thread that runs the call.

    def run(self) -> None:
        """Call ``func`` with a loop of its own, and keep the outcome. This method raises nothing."""
        try:
            lease = Lease("a call of isolate()", _place_of(self._func))
            lease.open(self._factory)
            with self:
                self._context.run(self._call_func, lease)
            if process.id != self._process:
                end_child(self._error)
            # A loop of another kind than asyncio's may leave itself set as the running loop, and its hooks.
            unset_running_loop()
            sys.set_asyncgen_hooks(None, None)
            lease.give_back()
        except BaseException as error:  # noqa: BLE001 - the caller receives it, and the thread must go on
            self._fail(error)

    def finish(self) -> None:
        """Wake the caller."""
        try:
            self._caller.call_soon_threadsafe(self._wake_finished)
        except RuntimeError:
            pass  # The caller's loop was closed meanwhile.

    def _fail(self, error: BaseException) -> None:
        """Keep ``error`` as the outcome, unless ``func`` itself has failed."""
        if self._error is None:
            self._error = error

    def _call_func(self, lease: Lease) -> None:
        if self._cancelled:
            self._error = asyncio.CancelledError()
            return
        try:
            unbind = _bind(lease)
            try:
                result: Any = self._func(*self._args)
                if type(result) is CoroutineType:  # isawaitable() and iscoroutine() are Python code, and slower
                    self._run_task(lease, result)
                elif inspect.isawaitable(result):
                    self._run_task(lease, result if asyncio.iscoroutine(result) else _awaiting(result))
                else:
                    self._value = result
            finally:
                unbind()
        except BaseException as error:  # noqa: BLE001 - the caller receives it
            self._error = error

    def _run_task(self, lease: Lease, coro: Coroutine[Any, Any, Any]) -> None:
        # run_until_complete() is not used: it raises, and the traceback would refer to a frame that refers to the loop.
        # Then the loop could not be reused.
        loop = lease.loop
        assert loop is not None
        task = self._task = loop.create_task(coro)
        task.add_done_callback(_stop)
        if self._cancelled:
            self._cancel_task(task)
        try:
            loop.run_forever()
        except BaseException as error:  # noqa: BLE001 - SystemExit or KeyboardInterrupt, of this task or of another
            self._error = error
        self._task = None
        if not task.done():
            self._fail(RuntimeError(f"{self._func!r} stopped its loop before it was done"))
        elif task.cancelled():
            self._error = asyncio.CancelledError()
        elif (raised := task.exception()) is not None:
            self._error = raised
        else:
            self._value = task.result()

    def _cancel_task(self, task: asyncio.Task[Any]) -> None:
        if not self._delivered:
            self._delivered = task.cancel()


def _place_of(func: Callable[..., Any]) -> Place | None:
    """Return the place where ``func`` is defined. The stack of the thread shows only the code that started it."""
    code = getattr(func, "__code__", None)
    return (code, code.co_firstlineno) if isinstance(code, CodeType) else None


async def _awaiting(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _stop(task: asyncio.Task[Any]) -> None:
    task.get_loop().stop()


def _bind(lease: Lease) -> Callable[[], object]:
    """Bind the loop of ``lease`` to the present context, and return a function that restores the previous binding.

    Under a resolver whose context is shared by threads, nothing is bound: every other thread would see the loop.
    """
    policy = host.in_force()
    if not isinstance(policy, ContextPolicy):
        set_event_loop = asyncio.set_event_loop if policy is None else policy.set_event_loop
        set_event_loop(lease.loop)
        return partial(set_event_loop, None)
    resolver = policy.resolver
    if not resolver.bindings.is_thread_exclusive():
        return _do_nothing
    previous = resolver.bindings.enter_scope(lease)
    return lambda: resolver.bindings.leave_scope(previous)


def _do_nothing() -> None:
    pass
