"""Where nothing is reclaimed at once: have garbage collected before what it holds is used up."""

from __future__ import annotations

import gc
from collections.abc import Sized
from typing import Final, final

__all__ = ["Room"]

_LEAST: Final = 64  # each loop has three descriptors or more, and a process may have no more than 1,024 of them
# A finalizer is called in one round, and what only its object referred to is found in the next: a task, the lease in
# the task's contextvars context, the loop.
_ROUNDS: Final = 4


@final
class Room:
    """Collects garbage when things pile up, but not for each thing where all of them are in use.

    PyPy's collector looks at memory alone: jobs that each leased a loop came to an end at the limit of open files, with
    every one of those loops unreachable.
    """

    __slots__ = ("_fewest",)

    def __init__(self) -> None:
        self._fewest = 0

    def make(self, alive: Sized) -> None:
        """Collect garbage if ``alive`` has grown to twice of the fewest that were in it since the last time."""
        count = len(alive)
        self._fewest = min(self._fewest, count)
        if count < max(_LEAST, 2 * self._fewest):
            return
        for _ in range(_ROUNDS):
            gc.collect()
            if len(alive) <= count // 2:
                break
        self._fewest = len(alive)  # later calls find fewer: another thread may be about to finalize some
