"""What a finalizer does with the loop of a lease: it may run in any thread, also while a loop runs in this one."""

from __future__ import annotations

import warnings
from asyncio import AbstractEventLoop
from typing import Final

from ctxpolicy._asyncio.forked_loops import keep_alive
from ctxpolicy._asyncio.loop_internals import pending_work
from ctxpolicy._callsite import Place, format_place
from ctxpolicy._fork import process

__all__ = ["close_leased", "end_leased", "unclosed"]

# What was running at the end of its lease, to be closed at interpreter exit.
unclosed: Final[list[AbstractEventLoop]] = []


def end_leased(loop: AbstractEventLoop, made_in: int, place: Place | None, context: str) -> None:
    """Close ``loop``, or keep it where it may not be closed.

    Args:
        loop: the loop.
        made_in: the id of the process that made it.
        place: the code that needed it.
        context: what it was leased for.
    """
    if made_in != process.id:
        keep_alive(loop)
    elif loop.is_running():
        # close() would raise, and a finalizer may not stop what another frame or thread is running.
        unclosed.append(loop)
        _warn(loop, place, context, "is still running at the end of its lease, and will be closed at interpreter exit")
    else:
        close_leased(loop, place, context)


def close_leased(loop: AbstractEventLoop, place: Place | None, context: str) -> None:
    """Close ``loop``, which is not running, and name in a ``ResourceWarning`` what was left in it."""
    left = [] if loop.is_closed() else pending_work(loop)
    try:
        loop.close()
    except (OSError, ValueError):
        pass  # the collector has finalized the loop's own sockets and selector before this lease
    if left:
        what = f"was closed at the end of its lease with something left in it: {', '.join(map(str, left))}"
        _warn(loop, place, context, what)


def _warn(loop: AbstractEventLoop, place: Place | None, context: str, what: str) -> None:
    message = f"the loop leased at {format_place(place)} for {context} {what}: {loop!r}"
    warnings.warn(message, ResourceWarning, stacklevel=2, source=loop)
