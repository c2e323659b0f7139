"""Run a function on a loop of its own in another thread, and await it here."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar, final

from ctxpolicy._asyncio import host
from ctxpolicy._contextvars import ContextVarExt
from ctxpolicy._lifetime import waits
from ctxpolicy._lifetime.pool import pool
from ctxpolicy._lifetime.warm import WarmLoop
from ctxpolicy._loops import loop_factory as named_loop_factory
from ctxpolicy._loops import make_loop
from ctxpolicy._policy import ContextPolicy
from ctxpolicy.errors import OptionError
from ctxpolicy.resolvers.base import LoopFactory

__all__ = ["close_isolate_pool", "isolate"]

T = TypeVar("T")
_GRACE: Final = 1.0  # seconds that a loop has to take note of a cancellation after a timeout
_inside: Final[ContextVarExt[bool]] = ContextVarExt("ctxpolicy.inside_isolate", default=False)


async def isolate(
    func: Callable[..., Awaitable[T] | T],
    *args: Any,
    loop_factory: LoopFactory | str | None = None,
    timeout: float | None = None,
) -> T:
    """Run ``func(*args)`` on a loop of its own in another thread, and return its result.

    It runs in a copy of this contextvars context, with its loop bound there; whatever it leaves behind (tasks, timers,
    readers, ...) is cancelled and closed before this returns, and is not there in the next call. It may block or starve
    its loop without this one feeling it. Threads and, where they are provably as new, loops are used again. If this is
    cancelled, ``func`` is cancelled there, and its end is waited for (a sync function cannot be cancelled).

    Args:
        func: an async function, or a sync one.
        loop_factory: makes the loop, a callable or a name; ``None``: asyncio's default kind.
        timeout: seconds, after which ``func`` is cancelled; ``None``: no limit. A sync function, and one that blocks its
            loop, is left alone in its thread then.

    Raises:
        TimeoutError: after ``timeout`` (``asyncio.TimeoutError`` on Python 3.10).
        LoopFactoryError: no loop could be made.
        and what ``func`` raises, with its traceback.
    """
    if not callable(func):
        raise OptionError(f"isolate() takes a function and its arguments, not {func!r}: isolate(f, x), not isolate(f(x))")
    call = _Call(func, args, None if loop_factory is None else named_loop_factory(loop_factory))
    pool.submit(call, beyond=_inside.get_raw())
    return await call.outcome(timeout)


def close_isolate_pool(wait: float | None = None) -> None:
    """End the threads of :func:`isolate` that are idle; busy ones end when they are done. Later calls make new ones.

    May be called in any thread.

    Args:
        wait: seconds to wait for the end of each; ``None``: no limit.
    """
    pool.close(wait)


@final
class _Call:
    """One isolated call; what the caller's side touches and what the worker's side touches is told apart below."""

    def __init__(self, func: Callable[..., Any], args: tuple[Any, ...], factory: LoopFactory | None) -> None:
        self.factory = None if factory is None else lambda: make_loop(factory)
        self._func = func
        self._args = args
        self._context = contextvars.copy_context()
        self._caller = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] = self._caller.create_future()
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False
        self._noted = False
        self._timed_out = False
        self._finished = False
        self._value: Any = None
        self._error: BaseException | None = None

    # The caller's side.

    async def outcome(self, timeout: float | None) -> Any:
        timer = None if timeout is None else self._caller.call_later(timeout, self._time_out)
        try:
            await self._end()
        finally:
            if timer is not None:
                timer.cancel()
        error, self._error = self._error, None
        if self._timed_out and (not self._finished or isinstance(error, asyncio.CancelledError)):
            raise asyncio.TimeoutError(f"{self._func!r} was not done after {timeout} seconds") from None
        try:
            if error is not None:
                raise error
            return self._value
        finally:
            del error  # its traceback refers to this frame

    async def _end(self) -> None:
        try:
            await self._woken
        except asyncio.CancelledError:
            self._cancel()
            while not self._finished:
                self._woken = self._caller.create_future()
                try:
                    await self._woken
                except asyncio.CancelledError:
                    pass  # once is enough; func's end is waited for
            raise

    def _cancel(self) -> None:
        self._cancelled = True
        task = self._task
        if task is not None:
            try:
                task.get_loop().call_soon_threadsafe(self._cancel_task, task)
            except RuntimeError:
                pass  # the loop is closed: the task has ended meanwhile

    def _time_out(self) -> None:
        self._timed_out = True
        self._cancel()
        self._caller.call_later(0 if self._task is None else _GRACE, self._abandon)

    def _abandon(self) -> None:
        if not self._noted:
            self._wake()

    def _wake(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)

    def _wake_finished(self) -> None:
        self._finished = True
        self._wake()

    # The worker's side.

    def run(self, warm: WarmLoop) -> None:
        with waits.waited_for(warm.loop, self._caller, stands_still=False), waits.running_job(warm.loop):
            self._context.run(self._run_here, warm)

    def refuse(self, error: Exception) -> None:
        self._error = error

    def finish(self) -> None:
        try:
            self._caller.call_soon_threadsafe(self._wake_finished)
        except RuntimeError:
            pass  # the caller's loop was closed meanwhile

    def _run_here(self, warm: WarmLoop) -> None:
        _inside.set(True)
        unbind = _bind(warm)
        try:
            result = None if self._cancelled else self._func(*self._args)
            if inspect.iscoroutine(result):
                self._run_task(warm.loop, result)
            else:
                self._value = result
            if self._cancelled and self._task is None:
                self._error = asyncio.CancelledError()
        except BaseException as error:
            self._error = error
        finally:
            unbind()

    def _run_task(self, loop: AbstractEventLoop, coro: Coroutine[Any, Any, Any]) -> None:
        # Not by run_until_complete(): an exception's traceback would refer to the loop, which then is not as new.
        task = self._task = loop.create_task(coro)
        task.add_done_callback(_stop)
        if self._cancelled:
            task.cancel()
        loop.run_forever()
        self._task = None
        if task.cancelled():
            self._error = asyncio.CancelledError()
        elif (error := task.exception()) is not None:
            self._error = error
        else:
            self._value = task.result()

    def _cancel_task(self, task: asyncio.Task[Any]) -> None:
        self._noted = True
        task.cancel()


def _stop(task: asyncio.Task[Any]) -> None:
    task.get_loop().stop()


def _bind(warm: WarmLoop) -> Callable[[], None]:
    policy = host.in_force()
    if isinstance(policy, ContextPolicy):
        resolver, former = policy.resolver, policy.resolver.enter(warm.lease)
        return lambda: resolver.leave(former)
    asyncio.set_event_loop(warm.loop)
    return lambda: asyncio.set_event_loop(None)
