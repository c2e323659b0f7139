"""Close the loop of a lease from a finalizer, which may run in any thread, also while a loop runs in that thread."""

from __future__ import annotations

import warnings
from asyncio import AbstractEventLoop
from typing import Final

from ctxpolicy._asyncio.forked_loops import keep_alive
from ctxpolicy._asyncio.loop_internals import pending_work
from ctxpolicy._callsite import Place, format_place
from ctxpolicy._fork import process

__all__ = ["close_leased", "end_leased", "unclosed"]

# The loops that were running at the end of their leases. They are closed at interpreter exit.
unclosed: Final[list[AbstractEventLoop]] = []


def end_leased(loop: AbstractEventLoop, made_in: int, place: Place | None, context: str) -> None:
    """Close ``loop``, or keep it alive if it must not be closed.

    Args:
        loop: the loop.
        made_in: the id of the process that created the loop.
        place: the code that needed the loop.
        context: the context that the loop was leased for.
    """
    if made_in != process.id:
        keep_alive(loop)
    elif loop.is_running():
        # close() would raise, and a finalizer must not stop a loop that another frame or thread runs.
        unclosed.append(loop)
        _warn(loop, place, context, "is still running at the end of its lease, and will be closed at interpreter exit")
    else:
        close_leased(loop, place, context)


def close_leased(loop: AbstractEventLoop, place: Place | None, context: str) -> None:
    """Close ``loop``, which is not running. A ``ResourceWarning`` names the work that was pending in it."""
    pending = [] if loop.is_closed() else pending_work(loop)
    try:
        loop.close()
    except (OSError, ValueError):
        pass  # The garbage collector has finalized the sockets and the selector of the loop before this lease.
    if pending:
        what = f"was closed at the end of its lease with pending work: {', '.join(map(str, pending))}"
        _warn(loop, place, context, what)


def _warn(loop: AbstractEventLoop, place: Place | None, context: str, what: str) -> None:
    message = f"the loop leased at {format_place(place)} for {context} {what}: {loop!r}"
    warnings.warn(message, ResourceWarning, stacklevel=2, source=loop)
