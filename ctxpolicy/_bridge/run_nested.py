"""Run a coroutine on a fresh loop in a thread in which another loop already runs."""

from __future__ import annotations

import functools
from asyncio import AbstractEventLoop
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from ctxpolicy._asyncio.running import running_loop, suspended_running_loop
from ctxpolicy._bridge.coroutines import call_or_close
from ctxpolicy._bridge.deadlock import Waiter, Work, current_work
from ctxpolicy._bridge.run_here import run_until_done
from ctxpolicy._loops.creation import creation_site
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.lease import Lease
from ctxpolicy.errors import ForeignFutureError

__all__ = ["run_nested"]

T = TypeVar("T")
# asyncio has no exception class for these errors. The texts are those of Task.__step(), of ensure_future(), and of
# locks and queues.
_FOREIGN_LOOP_TEXTS: Final = (
    "attached to a different loop",
    "belongs to a different loop",
    "bound to a different event loop",
)


def run_nested(factory: LoopFactory, coro: Coroutine[Any, Any, T], timeout: float | None) -> T:
    """Run ``coro`` on a loop of its own while the running loop of this thread is blocked, and return the result.

    Args:
        factory: the factory of the loop.
        coro: the coroutine. It is closed if no loop can be made.
        timeout: seconds after which ``coro`` is cancelled; ``None``: no limit.

    Raises:
        ForeignFutureError: ``coro`` awaited something that belongs to the blocked loop, and asyncio detected that.
        TimeoutError: ``coro`` was not done after ``timeout`` (``asyncio.TimeoutError`` on Python 3.10).
    """
    outer = running_loop()
    assert outer is not None
    # No variable here may refer to the inner loop: a loop is reused only if nothing else refers to it. A nested run
    # with a reused loop takes half the time of making, running and closing a loop by hand.
    lease = Lease("a nested run of block_on()")
    call_or_close(coro, functools.partial(lease.open, factory))
    with Work(Waiter(outer, current_work(), blocked=True)), suspended_running_loop():
        try:
            return _run(lease, coro, outer, timeout)
        finally:
            lease.give_back()


def _run(lease: Lease, coro: Coroutine[Any, Any, T], outer: AbstractEventLoop, timeout: float | None) -> T:
    assert lease.loop is not None
    try:
        return run_until_done(lease.loop, coro, timeout)
    except (RuntimeError, ValueError) as error:
        if not any(text in str(error) for text in _FOREIGN_LOOP_TEXTS):
            raise
        raise ForeignFutureError(
            f"{error} - {lease.loop!r}, made at {creation_site(lease.loop)}, runs here, while {outer!r}, made at "
            f"{creation_site(outer)}, is blocked. What belongs to one of the two loops cannot be awaited in the other. "
            "Make the awaited object inside the coroutine, or await it before the call and pass the result in."
        ) from error
