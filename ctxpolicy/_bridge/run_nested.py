"""Run a coroutine on a fresh loop under the one that runs in this thread."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from ctxpolicy._asyncio.running import running_loop, stepped_out
from ctxpolicy._bridge import deadlock as waits
from ctxpolicy._bridge.run_here import run_until_done
from ctxpolicy._loops.creation import creation_site
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.lease import Lease
from ctxpolicy.errors import ForeignFutureError

__all__ = ["run_nested"]

T = TypeVar("T")
# asyncio has no class of its own for these: the words of Task.__step(), of ensure_future(), and of locks and queues.
_FOREIGN: Final = (
    "attached to a different loop",
    "belongs to a different loop",
    "bound to a different event loop",
)


def run_nested(coro: Coroutine[Any, Any, T], factory: LoopFactory, timeout: float | None) -> T:
    """Run ``coro`` on a loop of its own while the loop of this thread stands still, and return its result.

    Args:
        coro: the coroutine.
        factory: makes the loop.
        timeout: seconds, after which ``coro`` is cancelled; ``None``: no limit.

    Raises:
        ForeignFutureError: something that belongs to the loop that stands still was awaited, as far as asyncio tells.
        TimeoutError: after ``timeout`` (``asyncio.TimeoutError`` on Python 3.10).
    """
    outer = running_loop()
    assert outer is not None
    # Nothing here has a variable for the loop: who refers to it tells whether it may be used again. To make and close
    # one for each run takes 0.5 of what all of that takes by hand.
    lease = Lease("a nested run of block_on()")
    try:
        lease.open(factory)
    except BaseException:
        coro.close()
        raise
    work = waits.Work(waits.Wait(outer, waits.present_work(), stands_still=True))
    with waits.doing(work), stepped_out():
        try:
            return _run(lease, coro, outer, timeout)
        finally:
            lease.give_back()


def _run(lease: Lease, coro: Coroutine[Any, Any, T], outer: AbstractEventLoop, timeout: float | None) -> T:
    assert lease.loop is not None
    try:
        return run_until_done(lease.loop, coro, timeout)
    except (RuntimeError, ValueError) as error:
        if not any(words in str(error) for words in _FOREIGN):
            raise
        raise ForeignFutureError(
            f"{error} - here runs {lease.loop!r}, made at {creation_site(lease.loop)}, while {outer!r}, made at "
            f"{creation_site(outer)}, stands still: what belongs to one of them cannot be awaited in the other. Make "
            "it inside the coroutine, or await it before and pass the result in."
        ) from error
