"""Run a function on a loop of its own in another thread, and await it here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ctxpolicy._asyncio.capabilities import platform_loop
from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.other_policies import is_asyncio_default
from ctxpolicy._bridge.isolated_call import IsolatedCall
from ctxpolicy._bridge.worker_threads import pool
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.factories import loop_factory as named_loop_factory
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy.errors import OptionError

__all__ = ["close_isolate_pool", "isolate"]


T = TypeVar("T")


async def isolate(
    func: Callable[..., Awaitable[T] | T],
    *args: Any,
    loop_factory: LoopFactory | str | None = None,
    timeout: float | None = None,
) -> T:
    """Run ``func(*args)`` on a loop of its own in another thread, and return its result.

    It runs in a copy of this contextvars context, and sync code finds the loop by ``asyncio.get_event_loop()`` (except
    under a resolver whose context is shared by threads). It may block or starve its loop without this one feeling it.
    What it leaves behind (tasks, timers, readers, ...) is cancelled and closed before this returns, as at the end of
    ``asyncio.run()``, and is not there in the next call. Threads are used again, and so are asyncio's own loops where
    they are provably as new.

    If this is cancelled, ``func`` is cancelled there (once), and its end is waited for and is the outcome, as if it
    were awaited here. A sync function cannot be cancelled; it too is waited for. A coroutine that is closed while it
    waits can wait no more: ``func`` is cancelled, and an exception of it goes to this loop's exception handler.

    Args:
        func: an async function, or a sync one.
        args: its arguments.
        loop_factory: makes the loop, a callable or a name; ``None``: what makes the loops of the policy in force.
        timeout: seconds, after which ``func`` is cancelled; ``None``: no limit. A sync function, and one that blocks
            its loop, is left to itself in its thread then.

    Raises:
        TimeoutError: after ``timeout`` (``asyncio.TimeoutError`` on Python 3.10).
        LoopFactoryError: no loop could be made.
        RuntimeError: ``func`` stopped its loop before it was done.
        BaseException: what ``func`` raises, with its traceback.
    """
    if not callable(func):
        raise OptionError(
            f"isolate() takes a function and its arguments, isolate(f, x) and not isolate(f(x)): {func!r}"
        )
    call = IsolatedCall(func, args, _factory(loop_factory))
    timer = None if timeout is None else call.end_after(timeout)
    try:
        pool.submit(call)
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
    """End the threads of :func:`isolate`: idle ones now, busy ones when they are done. Later calls make new ones.

    May be called in any thread. At interpreter exit this is done unasked; a call that never ends does not hold it up.

    Args:
        wait: seconds to wait for the end of each idle thread; ``None``: no limit.
    """
    pool.close(wait)


def _factory(given: LoopFactory | str | None) -> LoopFactory | None:
    """Return what makes the loop; ``None`` for asyncio's own kind, of which workers have one ready."""
    if given is not None:
        factory = named_loop_factory(given)
    else:
        policy = host.in_force()
        if is_asyncio_default(policy):
            return None
        factory = policy.factory_in_use() if isinstance(policy, ContextPolicy) else policy.new_event_loop  # type: ignore[union-attr]
    return None if factory is platform_loop or factory is asyncio.SelectorEventLoop else factory
