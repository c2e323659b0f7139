"""Run a coroutine on a fresh loop under the one that runs in this thread."""

from __future__ import annotations

import contextlib
import contextvars
from asyncio import AbstractEventLoop
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from ctxpolicy._asyncio import running_loop, shut_down, stepped_out
from ctxpolicy._lifetime import waits
from ctxpolicy._lifetime.interrupt import run_until_done
from ctxpolicy._origin import origin
from ctxpolicy.errors import ForeignFutureError
from ctxpolicy.resolvers.base import LoopFactory

__all__ = ["run_nested"]

T = TypeVar("T")


def run_nested(coro: Coroutine[Any, Any, T], new_loop: LoopFactory) -> T:
    """Run ``coro`` on a loop of its own while the loop of this thread stands still, and return its result.

    Raises:
        ForeignFutureError: something that belongs to the loop that stands still was awaited.
    """
    outer = running_loop()
    assert outer is not None
    loop = contextvars.Context().run(new_loop)
    work = waits.Work(waits.Wait(outer, waits.present_work(), stands_still=True))
    with waits.doing(work), stepped_out():
        try:
            with _explained(loop, outer):
                return run_until_done(loop, coro)
        finally:
            shut_down(loop)


@contextlib.contextmanager
def _explained(inner: AbstractEventLoop, outer: AbstractEventLoop) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError) as error:
        # asyncio has no class of its own for these: the words of Task.__step() and of ensure_future().
        if not any(words in str(error) for words in ("attached to a different loop", "belongs to a different loop")):
            raise
        raise ForeignFutureError(
            f"{error} - here runs {inner!r}, made at {origin(inner)}, while {outer!r}, made at {origin(outer)}, stands "
            "still: what belongs to one of them cannot be awaited in the other. Make it inside the coroutine, or await "
            "it before and pass the result in."
        ) from error
