"""Run a coroutine from sync code, whether or not a loop runs in this thread."""

from __future__ import annotations

import functools
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from typing import Any, Literal, TypeVar

from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.other_policies import current_loop_of
from ctxpolicy._asyncio.running import running_loop
from ctxpolicy._bridge.coroutines import as_coroutine, call_or_close
from ctxpolicy._bridge.run_here import run_until_done
from ctxpolicy._bridge.run_nested import run_nested
from ctxpolicy._bridge.run_on_other_thread import run_on_other_thread
from ctxpolicy._lifetime.fresh_loop import fresh_loop
from ctxpolicy._loops.creation import creation_site
from ctxpolicy._policy.in_force import leased_factory_in_force
from ctxpolicy._policy.passthrough import PassThroughPolicy
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import BlockingError, OptionError

__all__ = ["block_on"]

T = TypeVar("T")
# Runs a coroutine, with a timeout in seconds or None.
_Run = Callable[[Coroutine[Any, Any, Any], float | None], Any]


def block_on(coro: Awaitable[T], *, nested: Literal["error", "isolated"] = "error", timeout: float | None = None) -> T:
    """Run ``coro`` from sync code and return its result.

    If no loop runs in this thread, ``coro`` runs on the loop of the current context. If that loop runs in another
    thread, ``coro`` runs there, in a copy of this contextvars context. If the context has no loop, a loop is leased to
    it.

    Args:
        coro: a coroutine that has not been started, or another awaitable. A coroutine that is refused is closed.
        nested: what to do if a loop runs in this thread. ``"error"``: raise. ``"isolated"``: run ``coro`` on a fresh
            loop. The running loop and all its tasks are blocked meanwhile, and ``coro`` can await nothing that belongs
            to the running loop. asyncio does not detect every such wait: a wait for a lock that a blocked task holds,
            or ``asyncio.wait()`` for a blocked task, may never end. Give a ``timeout`` where that can happen.
        timeout: seconds after which ``coro`` is cancelled; ``None``: no limit.

    Raises:
        BlockingError: a loop runs in this thread; or the loop of the context is closed, is stopped during the wait, or
            is blocked until the work of this thread ends.
        ForeignFutureError: with ``"isolated"``, ``coro`` awaited something that belongs to the blocked loop.
        TimeoutError: ``coro`` was not done after ``timeout`` (``asyncio.TimeoutError`` on Python 3.10).
    """
    main = as_coroutine(coro)
    run = call_or_close(main, lambda: _choose_run(nested))
    result: T = run(main, timeout)
    return result


def _choose_run(nested: str) -> _Run:
    if nested not in ("error", "isolated"):
        raise OptionError(f"nested must be 'error' or 'isolated', not {nested!r}")
    running = running_loop()
    if running is None:
        return _choose_run_on_context_loop()
    if nested == "isolated":
        return functools.partial(run_nested, leased_factory_in_force())
    raise BlockingError(
        f"{running!r}, made at {creation_site(running)}, is running in this thread ({thread_name()}), and "
        "block_on() would block it. In a coroutine, await the coroutine. In sync code that a coroutine calls, have the "
        'coroutine call the sync code by await asyncio.to_thread(...), or use block_on(..., nested="isolated").'
    )


def _choose_run_on_context_loop() -> _Run:
    loop = _context_loop()
    if loop is None:
        return _run_on_fresh_loop
    if loop.is_running():
        return functools.partial(run_on_other_thread, loop)
    if loop.is_closed():
        raise BlockingError(
            f"the loop of this context is closed: {loop!r}, made at {creation_site(loop)} (thread {thread_name()}). "
            "Unbind it with asyncio.set_event_loop(None), or do not close a loop that is still bound."
        )
    return functools.partial(run_until_done, loop)


def _run_on_fresh_loop(coro: Coroutine[Any, Any, T], timeout: float | None) -> T:
    with ExitStack() as block:
        loop = call_or_close(coro, lambda: block.enter_context(fresh_loop()))
        return run_until_done(loop, coro, timeout)


def _context_loop() -> AbstractEventLoop | None:
    """Return the loop of the current context, even if the loop runs in another thread.

    If the context has no loop, one is leased to it. If no policy of ours is in force, none can be leased.

    Returns:
        the loop; ``None`` if there is none and none could be leased.
    """
    policy: Any = host.in_force()
    if isinstance(policy, PassThroughPolicy) and policy.resolver is policy.own_resolver:
        policy = policy.previous  # the using() blocks of other contexts do not concern this context
    if not isinstance(policy, ContextPolicy):
        return current_loop_of(policy)
    loop = policy.resolver.get()
    if loop is not None:
        return loop
    binding = policy.resolver.binding()  # may be a binding of another thread
    if binding is not None and binding.loop is not None and binding.loop.is_running():
        return binding.loop
    return policy.resolver.bindings.lease(policy.leased_factory())
