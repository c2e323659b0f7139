"""Where nothing is reclaimed at once: have garbage collected before what it holds is used up."""

from __future__ import annotations

import gc
from collections.abc import Sized
from typing import Final, final

__all__ = ["Room"]

_LEAST: Final = 64  # each loop has three descriptors or more, and a process may have no more than 1,024 of them


@final
class Room:
    """Collects garbage when things pile up, but not for each thing where all of them are in use.

    PyPy's collector looks at memory alone: jobs that each leased a loop came to an end at the limit of open files, with
    every one of those loops unreachable.
    """

    __slots__ = ("_limit",)

    def __init__(self) -> None:
        self._limit = _LEAST

    def make(self, alive: Sized) -> None:
        """Collect garbage if ``alive`` has grown to twice of what was left in it by the last time."""
        if len(alive) < self._limit:
            return
        gc.collect()
        self._limit = max(_LEAST, 2 * len(alive))
