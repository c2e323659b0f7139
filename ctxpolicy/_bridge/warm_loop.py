"""A loop that is made ahead and used again, but only where it is provably as new."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from typing import Final, final

from ctxpolicy._asyncio.capabilities import platform_loop
from ctxpolicy._asyncio.loop_internals import run_ready_callbacks
from ctxpolicy._loops.creation import note_origin
from ctxpolicy._loops.factories import LoopFactory, make_loop
from ctxpolicy._loops.lease import Lease
from ctxpolicy._loops.snapshot import Look, references

__all__ = ["WarmLoop"]


@final
class WarmLoop:
    """A leased loop, and what it looked like when it was new.

    Args:
        factory: makes the loop; ``None``: asyncio's default, the only kind that is used again.
    """

    __slots__ = ("_look", "_references_to_lease", "lease", "loop")

    loop: AbstractEventLoop

    def __init__(self, factory: LoopFactory | None) -> None:
        self.lease: Final = Lease("a call of isolate()")
        self.loop = note_origin(self.lease.open(lambda: make_loop(factory or platform_loop)))
        self._look: Look | None = None
        if factory is None and references is not None and type(self.loop) is asyncio.SelectorEventLoop:
            self._references_to_lease = references(self.lease)
            self._look = Look(self)

    def clean(self) -> bool:
        """Tell whether the loop is as new after a job; if it is not, shut it down."""
        look = self._look
        if look is not None and not self.loop.is_closed():
            run_ready_callbacks(self.loop)
            if look.still(self) and references(self.lease) == self._references_to_lease:
                return True
        self.close()
        return False

    def close(self) -> None:
        """Shut the loop down and close it."""
        self.lease.release()
