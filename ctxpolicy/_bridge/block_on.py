"""Run a coroutine from sync code, whatever the state of this thread."""

from __future__ import annotations

import asyncio
import inspect
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from typing import Any, Literal, TypeVar

from ctxpolicy._asyncio.capabilities import platform_loop
from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.running import running_loop
from ctxpolicy._bridge.run_here import run_until_done
from ctxpolicy._bridge.run_nested import run_nested
from ctxpolicy._bridge.run_on_other_thread import hand_over
from ctxpolicy._lifetime.fresh_loop import fresh_loop
from ctxpolicy._loops.creation import note_origin, origin
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._policy.passthrough import DispatchPolicy
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import BlockingError, OptionError

__all__ = ["block_on"]

T = TypeVar("T")
L = TypeVar("L", bound=AbstractEventLoop | None)


def block_on(coro: Awaitable[T], *, nested: Literal["error", "isolated"] = "error", timeout: float | None = None) -> T:
    """Run ``coro`` from sync code and return its result.

    Where no loop runs in this thread, it runs on the present context's loop: here (leased to the context if there is
    none), or, if that loop runs in another thread, there, in a copy of this contextvars context.

    Args:
        coro: a coroutine that has not been started, or another awaitable. It is closed where it is refused.
        nested: what to do where a loop runs in this very thread. ``"error"``: raise. ``"isolated"``: run ``coro`` on a
            fresh loop, while the running one stands still with all its tasks; nothing of it can be awaited inside. Give
            a ``timeout`` where that may happen: a wait for a lock that is held out there, or ``asyncio.wait()`` for a
            task, is not always told of, and then never ends.
        timeout: seconds, after which ``coro`` is cancelled; ``None``: no limit.

    Raises:
        BlockingError: a loop runs in this thread; or the context's loop is closed, stopped meanwhile, or waits for this
            very thread.
        ForeignFutureError: with ``"isolated"``, something of the loop that stands still was awaited.
        TimeoutError: after ``timeout`` (``asyncio.TimeoutError`` on Python 3.10).
    """
    main = _coroutine(coro)
    if nested not in ("error", "isolated"):
        main.close()
        raise OptionError(f"nested must be 'error' or 'isolated', not {nested!r}")
    running = running_loop()
    if running is None:
        return _on_context_loop(main, timeout)
    if nested == "isolated":
        return run_nested(main, _factory(), timeout)
    main.close()
    raise BlockingError(
        f"{running!r}, made at {origin(running)}, is running in this thread ({thread_name()}), and block_on() would "
        "stop it. In a coroutine, await the coroutine. In sync code that a coroutine calls, call it by "
        'await asyncio.to_thread(...), or use block_on(..., nested="isolated").'
    )


def _coroutine(awaitable: Awaitable[T]) -> Coroutine[Any, Any, T]:
    if not inspect.isawaitable(awaitable):
        raise OptionError(f"block_on() takes a coroutine or another awaitable, not {awaitable!r}")
    if not asyncio.iscoroutine(awaitable):
        return _awaiting(awaitable)
    if inspect.iscoroutine(awaitable) and inspect.getcoroutinestate(awaitable) != inspect.CORO_CREATED:
        raise BlockingError(f"{awaitable!r} was awaited or started before, and cannot be run again: make a new one")
    return awaitable


async def _awaiting(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _found_for(coro: Coroutine[Any, Any, object], find: Callable[[], L]) -> L:
    """Return the loop that ``find`` does; where it fails, ``coro`` will not run, and is closed."""
    try:
        return find()
    except BaseException:
        coro.close()
        raise


def _on_context_loop(coro: Coroutine[Any, Any, T], timeout: float | None) -> T:
    loop = _found_for(coro, _context_loop)
    if loop is None:
        with ExitStack() as scope:
            loop = _found_for(coro, lambda: scope.enter_context(fresh_loop()))
            return run_until_done(loop, coro, timeout)
    if loop.is_running():
        return hand_over(loop, coro, timeout)
    if loop.is_closed():
        coro.close()
        raise BlockingError(
            f"the loop of this context is closed: {loop!r}, made at {origin(loop)} (thread {thread_name()}). Unbind it "
            "with asyncio.set_event_loop(None), or do not close a loop that is still bound."
        )
    return run_until_done(loop, coro, timeout)


def _context_loop() -> AbstractEventLoop | None:
    """Return the present context's loop, one that runs in another thread included; leased if there is none.

    ``None`` where no policy of ours is in force to lease one.
    """
    policy: Any = host.in_force()
    if policy is None:
        policy = host.own()
    if isinstance(policy, DispatchPolicy) and policy.resolver is policy.own_resolver:
        policy = policy.former  # other contexts' using() is nothing to this one
    if not isinstance(policy, ContextPolicy):
        loop: AbstractEventLoop | None = getattr(getattr(policy, "_local", None), "_loop", None)
        return loop
    loop = policy.resolver.get()
    if loop is not None:
        return loop
    elsewhere = policy.resolver.binding()
    if elsewhere is not None and elsewhere.loop is not None and elsewhere.loop.is_running():
        return elsewhere.loop
    return policy.resolver.bindings.lease(policy.leased_factory())


def _factory() -> LoopFactory:
    """Return what makes the loop of a nested run: as the policy in force does."""
    policy = host.in_force()
    if isinstance(policy, ContextPolicy):
        return policy.leased_factory()
    make = platform_loop if policy is None else policy.new_event_loop
    return lambda: note_origin(make())
