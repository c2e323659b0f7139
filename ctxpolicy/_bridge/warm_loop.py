"""A loop that is made ahead and used again, but only where it is provably as new."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from typing import Final, final

from ctxpolicy._asyncio.capabilities import platform_loop
from ctxpolicy._asyncio.loop_internals import settle
from ctxpolicy._loops.creation import record_creation
from ctxpolicy._loops.factories import LoopFactory, make_loop
from ctxpolicy._loops.lease import Lease
from ctxpolicy._loops.snapshot import Snapshot, refcount

__all__ = ["WarmLoop"]


@final
class WarmLoop:
    __slots__ = ("_look", "_references_to_lease", "lease", "loop")

    loop: AbstractEventLoop

    def __init__(self, factory: LoopFactory | None) -> None:
        self.lease: Final = Lease("a call of isolate()")
        self.loop = record_creation(self.lease.open(lambda: make_loop(factory or platform_loop)))
        self._look: Snapshot | None = None
        if factory is None and refcount is not None and type(self.loop) is asyncio.SelectorEventLoop:
            self._references_to_lease = refcount(self.lease)
            self._look = Snapshot(self)

    def clean(self) -> bool:
        look = self._look
        if look is not None and not self.loop.is_closed():
            settle(self.loop)
            if look.unchanged(self) and refcount(self.lease) == self._references_to_lease:
                return True
        self.close()
        return False

    def close(self) -> None:
        self.lease.release()
