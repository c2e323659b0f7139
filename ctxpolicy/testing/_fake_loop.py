"""Loops that cost nothing, to be bound and never run."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import TYPE_CHECKING

__all__ = ["AlwaysEqualLoop", "StandInLoop"]

if TYPE_CHECKING:
    # Type checkers take every method of AbstractEventLoop for an abstract one; at run time none is.
    from asyncio import BaseEventLoop as _Loop
else:
    _Loop = AbstractEventLoop


class StandInLoop(_Loop):
    """A loop to bind: it has a name and can be closed, and runs nothing.

    Args:
        name: what it is called in messages.

    Attributes:
        refers_to: anything, as a loop refers to what its pending calls do.
    """

    def __init__(self, name: str = "a stand-in loop") -> None:
        self.name = name
        self.refers_to: object = None
        self._closed = False

    def is_running(self) -> bool:
        """Return ``False``."""
        return False

    def is_closed(self) -> bool:
        """Tell whether :meth:`close` was called."""
        return self._closed

    def close(self) -> None:
        """Note that it was called."""
        self._closed = True

    def get_debug(self) -> bool:
        """Return ``False``."""
        return False

    def __repr__(self) -> str:
        return self.name


class AlwaysEqualLoop(StandInLoop):
    """A loop that compares equal to everything, and is false: it can be told apart by identity only."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False
