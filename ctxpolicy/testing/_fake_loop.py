"""Loops that have no cost: they can be bound, but cannot run."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import TYPE_CHECKING

__all__ = ["AlwaysEqualLoop", "StandInLoop"]

if TYPE_CHECKING:
    # For type checkers, every method of AbstractEventLoop is abstract. At run time, no method is abstract.
    from asyncio import BaseEventLoop as _Loop
else:
    _Loop = AbstractEventLoop


class StandInLoop(_Loop):
    """A loop to bind: it has a name and can be closed, but runs nothing.

    Args:
        name: its name in messages.

    Attributes:
        refers_to: any object. The loop keeps it alive, as a real loop keeps objects alive by its pending calls.
    """

    def __init__(self, name: str = "a stand-in loop") -> None:
        self.name = name
        self.refers_to: object = None
        self._closed = False

    def is_running(self) -> bool:
        """Return ``False``."""
        return False

    def is_closed(self) -> bool:
        """Return whether :meth:`close` was called."""
        return self._closed

    def close(self) -> None:
        """Mark the loop as closed."""
        self._closed = True

    def get_debug(self) -> bool:
        """Return ``False``."""
        return False

    def __repr__(self) -> str:
        return self.name


class AlwaysEqualLoop(StandInLoop):
    """A loop that is false, and equal to every object. Only its identity distinguishes it."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False
