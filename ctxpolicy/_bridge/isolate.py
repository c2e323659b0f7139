"""Run a function with a loop of its own in another thread, and await the result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

from ctxpolicy._asyncio.capabilities import default_loop_factory, platform_loop
from ctxpolicy._bridge.isolated_call import IsolatedCall
from ctxpolicy._bridge.worker_threads import thread_cache
from ctxpolicy._loops.factories import LoopFactory, make_loop
from ctxpolicy._loops.factories import loop_factory as named_loop_factory
from ctxpolicy._loops.pool import ReusableFactory, loop_pool
from ctxpolicy._policy.in_force import factory_in_force
from ctxpolicy.errors import OptionError

__all__ = ["close_isolate_pool", "isolate"]

T = TypeVar("T")


async def isolate(
    func: Callable[..., Awaitable[T] | T],
    *args: Any,
    loop_factory: LoopFactory | str | None = None,
    timeout: float | None = None,
) -> T:
    """Run ``func(*args)`` with a loop of its own in another thread, and return the result.

    ``func`` runs in a copy of the present contextvars context. Sync code in ``func`` gets the loop from
    ``asyncio.get_event_loop()``, except under a resolver whose context is shared by threads. ``func`` may block or
    starve its loop without any effect on the caller's loop. Everything that ``func`` leaves behind (tasks, timers,
    readers, ...) is cancelled and closed before ``isolate()`` returns, as at the end of ``asyncio.run()``. The next
    call does not see it.

    The number of calls that run at once has no limit: each call takes an idle thread or starts a new one. Use an
    ``asyncio.Semaphore`` to limit the number. A thread ends after ten seconds without a call. A loop of asyncio's own
    kind is reused when it is in the state of a new loop and nothing else refers to it.

    If the caller is cancelled, ``func`` is cancelled once, and ``isolate()`` waits for the end of ``func``. The outcome
    is that of ``func``, as if the caller awaited ``func`` directly. A sync function cannot be cancelled, but its end is
    waited for too. If the coroutine ``isolate()`` is closed while it waits, it cannot wait any longer: ``func`` is
    cancelled, and an exception that ``func`` raises goes to the exception handler of the caller's loop.

    Args:
        func: an async function, or a sync function.
        args: its arguments.
        loop_factory: a callable that creates the loop, or a name; ``None``: the loop factory of the policy in force.
        timeout: seconds after which ``func`` is cancelled; ``None``: no limit. A sync function, or a function that
            blocks its loop, then continues in its thread, and ``isolate()`` does not wait for its end.

    Raises:
        TimeoutError: ``timeout`` has expired (``asyncio.TimeoutError`` on Python 3.10).
        LoopFactoryError: no loop could be created.
        RuntimeError: ``func`` stopped its loop before it was done, or no thread could be started.
        BaseException: ``func`` raised this exception. Its traceback is kept.
    """
    if not callable(func):
        raise OptionError(
            f"isolate() takes a function and its arguments, isolate(f, x) and not isolate(f(x)): {func!r}"
        )
    call = IsolatedCall(func, args, _factory(loop_factory))
    timer = None if timeout is None else call.end_after(timeout)
    try:
        thread_cache.submit(call)
        try:
            await call.woken
        except asyncio.CancelledError:
            await call.end()
        except BaseException:  # GeneratorExit: this coroutine is closed
            call.leave()
            raise
    finally:
        if timer is not None:
            timer.cancel()
    outcome: T = call.outcome(timeout)
    return outcome


def close_isolate_pool(wait: float | None = None) -> None:
    """End the threads of :func:`isolate`: idle ones now, busy ones after their calls. Later calls start new threads.

    The loops that are kept for reuse are closed too. This function may be called in any thread. Interpreter exit does
    the same, and is not delayed by a call that never ends.

    Args:
        wait: seconds to wait for the end of each idle thread; ``None``: no limit.
    """
    thread_cache.close(wait)
    loop_pool.close()


def _factory(given: LoopFactory | str | None) -> LoopFactory:
    """Return the factory that creates the loop of a call: ``given``, or the one in force if that is ``None``."""
    factory = factory_in_force() if given is None else named_loop_factory(given)
    kind = default_loop_factory() if factory is platform_loop else factory
    if kind is asyncio.SelectorEventLoop:
        return _new_or_used_loop
    return partial(make_loop, factory)


_new_or_used_loop: Final = ReusableFactory(partial(make_loop, asyncio.SelectorEventLoop))
