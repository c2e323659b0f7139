"""Record where a loop is created, for messages that must say which loop they mean."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import Final, TypeVar

from ctxpolicy._asyncio.forked_loops import track
from ctxpolicy._callsite import Place, creation_place, format_place, start_place

__all__ = ["CREATION_SITE", "creation_site", "record_creation"]

# The attribute of a loop in which the place is recorded.
CREATION_SITE: Final = "_ctxpolicy_creation_site"
L = TypeVar("L", bound=AbstractEventLoop)


def record_creation(loop: L, place: Place | None = None) -> L:
    """Record on ``loop`` which code created it, track ``loop`` across forks, and return it.

    Args:
        loop: the loop.
        place: the code to record; ``None``: the code on the stack that is creating the loop.
    """
    track(loop)
    if place is None:
        place = creation_place()
    if place is not None:
        try:
            setattr(loop, CREATION_SITE, place)
        except AttributeError:
            pass  # The loop's class has __slots__. A table beside it could keep the loop alive, which is worse.
    return loop


def creation_site(loop: AbstractEventLoop) -> str:
    """Return ``file:line in function`` of the code that created ``loop``, or ``"an unknown place"``.

    While ``asyncio.run()`` runs a loop that it created, this is the code that called ``asyncio.run()``.
    """
    found = getattr(loop, CREATION_SITE, None)
    return format_place(found if isinstance(found, tuple) else start_place(loop))
