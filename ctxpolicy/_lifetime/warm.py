"""A loop that is made ahead and used again, but only where it is provably as new."""

from __future__ import annotations

import asyncio
import sys
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Sized
from selectors import BaseSelector
from typing import Any, Final, final

from ctxpolicy._asyncio import platform_loop, settle
from ctxpolicy._binding import Lease
from ctxpolicy._loops import make_loop
from ctxpolicy._origin import note_origin
from ctxpolicy.resolvers.base import LoopFactory

__all__ = ["WarmLoop"]


def _reference_counter() -> Any:
    """Return what counts references; ``None`` where nobody can tell that no job has kept the loop.

    That is: on PyPy, which counts none, and on free-threaded builds, where other threads count while this one looks.
    """
    return getattr(sys, "getrefcount", None) if getattr(sys, "_is_gil_enabled", lambda: True)() else None


_references: Final[Any] = _reference_counter()


@final
class WarmLoop:
    """A leased loop, and what it looked like when it was new.

    Whoever could still reach the loop after a job (a task, a timer, a future, a transport, an asynchronous generator, a
    thread, a variable) refers to it. So a loop that nobody refers to but who did when it was new, neither strongly nor
    weakly, and that looks as it did then, is as new.

    Args:
        factory: makes the loop; ``None``: asyncio's default, the only kind that is used again.
    """

    __slots__ = ("_count", "_look", "lease", "loop")

    loop: AbstractEventLoop

    def __init__(self, factory: LoopFactory | None) -> None:
        self.lease: Final = Lease("a call of isolate()")
        self.loop = note_origin(self.lease.open(lambda: make_loop(factory or platform_loop)))
        self._look: _Look | None = None
        if factory is None and _references is not None and type(self.loop) is asyncio.SelectorEventLoop:
            self.loop.run_until_complete(_nothing())  # some attributes get their values at the first run
            self._look = _Look(self.loop)
            self._count = self._count_references()

    def clean(self) -> bool:
        """Tell whether the loop is as new after a job; if it is not, shut it down."""
        look, loop = self._look, self.loop
        if look is not None and not loop.is_closed():
            settle(loop)
            as_new = look.still(loop)
            del loop
            if as_new and self._count_references() == self._count:
                return True
        self.close()
        return False

    def close(self) -> None:
        """Shut the loop down and close it."""
        self.lease.release()

    def _count_references(self) -> tuple[int, int, int]:
        return _references(self.loop), _references(self.lease), weakref.getweakrefcount(self.loop)


async def _nothing() -> None:
    pass


@final
class _Look:
    """What can be seen of a selector loop: its attributes, and how much is in them."""

    __slots__ = ("_attributes", "_containers", "_sizes")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._attributes = dict(vars(loop))
        values = list(vars(loop).values())
        for selector in [value for value in values if isinstance(value, BaseSelector)]:
            values += vars(selector).values()
        self._containers = [value for value in values if isinstance(value, Sized)]
        self._sizes = list(map(len, self._containers))

    def still(self, loop: AbstractEventLoop) -> bool:
        """Tell whether it looks the same now."""
        return vars(loop) == self._attributes and list(map(len, self._containers)) == self._sizes
