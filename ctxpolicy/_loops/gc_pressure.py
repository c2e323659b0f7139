"""Collect garbage before unreachable objects use up a limited resource, if reference counting does not free them."""

from __future__ import annotations

import gc
from collections.abc import Sized
from typing import Final, final

__all__ = ["CollectOnGrowth"]

# A loop has at least three descriptors, and a process is often limited to 1,024 of them.
_MINIMUM: Final = 64
# A finalizer runs in one round, and the objects that only the finalized object referred to are found in the next round.
# The chain is: a task, the lease in the task's contextvars context, the loop.
_ROUNDS: Final = 4


@final
class CollectOnGrowth:
    """Collect garbage when a collection of objects has grown, but not for each object while all of them are in use.

    PyPy's collector considers memory only. Jobs that each leased a loop reached the limit of open files although every
    one of those loops was unreachable.
    """

    __slots__ = ("_fewest",)

    def __init__(self) -> None:
        self._fewest = 0

    def check(self, alive: Sized) -> None:
        """Collect garbage if ``alive`` has doubled since it was smallest after the last collection."""
        count = len(alive)
        self._fewest = min(self._fewest, count)
        if count < max(_MINIMUM, 2 * self._fewest):
            return
        for _ in range(_ROUNDS):
            gc.collect()
            if len(alive) <= count // 2:
                break
        self._fewest = len(alive)  # Later calls may find fewer: another thread may be about to finalize some.
