"""Where a loop was made: noted on the loop itself, for messages that must say whose loop is which."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import TypeVar

from ctxpolicy._frames import maker, place, starter
from ctxpolicy._inherited import watch

__all__ = ["note_origin", "origin"]

_ATTRIBUTE = "_ctxpolicy_origin"
L = TypeVar("L", bound=AbstractEventLoop)


def note_origin(loop: L) -> L:
    """Note on ``loop`` where the code is that made it, watch it over forks, and return it."""
    watch(loop)
    frame = maker()
    if frame is not None:
        try:
            # Not a string: this is done for every loop, and read for few.
            setattr(loop, _ATTRIBUTE, (frame.f_code, frame.f_lineno))
        except AttributeError:
            pass  # a loop of a class with slots; not worth a table that could keep it alive
    return loop


def origin(loop: AbstractEventLoop) -> str:
    """Return ``file:line in function`` of the code that made ``loop``, ``"an unknown place"`` where that is not known.

    While ``asyncio.run()`` runs it that is the code that called it.
    """
    found = getattr(loop, _ATTRIBUTE, None)
    if isinstance(found, tuple):
        return place(*found)
    frame = starter(loop)
    return "an unknown place" if frame is None else place(frame.f_code, frame.f_lineno)
