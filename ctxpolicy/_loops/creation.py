"""Where a loop was made: noted on the loop itself, for messages that must say whose loop is which."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import Final, TypeVar

from ctxpolicy._asyncio.forked_loops import track
from ctxpolicy._callsite import creation_place, format_place, start_place

__all__ = ["ORIGIN", "note_origin", "origin"]

# The attribute of a loop that keeps it.
ORIGIN: Final = "_ctxpolicy_origin"
L = TypeVar("L", bound=AbstractEventLoop)


def note_origin(loop: L) -> L:
    """Note on ``loop`` where the code is that made it, watch it over forks, and return it."""
    track(loop)
    place = creation_place()
    if place is not None:
        try:
            setattr(loop, ORIGIN, place)
        except AttributeError:
            pass  # a loop of a class with slots; not worth a table that could keep it alive
    return loop


def origin(loop: AbstractEventLoop) -> str:
    """Return ``file:line in function`` of the code that made ``loop``, ``"an unknown place"`` where that is not known.

    While ``asyncio.run()`` runs it that is the code that called it.
    """
    found = getattr(loop, ORIGIN, None)
    return format_place(found if isinstance(found, tuple) else start_place(loop))
