"""A loop that is made ahead and used again, but only where it is provably as new."""

from __future__ import annotations

import asyncio
import sys
from asyncio import AbstractEventLoop
from typing import Any, Final, final

from ctxpolicy._asyncio import leftovers, platform_loop, shut_down
from ctxpolicy._binding import Lease
from ctxpolicy._origin import note_origin
from ctxpolicy.resolvers.base import LoopFactory

__all__ = ["WarmLoop"]

# Without reference counts (PyPy) nobody can tell that no job has kept the loop.
_references: Final[Any] = getattr(sys, "getrefcount", None)


@final
class WarmLoop:
    """A leased loop, and what it looked like when it was new.

    Args:
        factory: makes the loop; ``None``: asyncio's default, the only kind that is used again.
    """

    def __init__(self, factory: LoopFactory | None) -> None:
        self.lease: Final = Lease("a call of isolate()")
        loop = self.lease.open(factory or platform_loop)
        note_origin(loop)
        self._may_serve_again = factory is None and _references is not None and type(loop) is asyncio.SelectorEventLoop
        if self._may_serve_again:
            loop.run_until_complete(_nothing())  # some attributes get their values at the first run
            self._state = _state(loop)
            self._count = self._count_references()

    @property
    def loop(self) -> AbstractEventLoop:
        """The loop."""
        assert self.lease.loop is not None
        return self.lease.loop

    def clean(self) -> bool:
        """Tell whether the loop is as new after a job; if it is not, shut it down."""
        if self._may_serve_again and not self.loop.is_closed() and not leftovers(self.loop):
            if _state(self.loop) == self._state and self._count_references() == self._count:
                return True
        self.close()
        return False

    def close(self) -> None:
        """Shut the loop down and close it."""
        self.lease.release()

    def _count_references(self) -> int:
        count: int = _references(self.lease.loop) + _references(self.lease)
        return count


async def _nothing() -> None:
    pass


def _state(loop: AbstractEventLoop) -> dict[str, Any]:
    """Return what can be seen of a selector loop: its attributes, and how much its containers hold."""
    state = {name: _look(value) for name, value in vars(loop).items()}
    state["watched"] = len(loop._selector.get_map())  # type: ignore[attr-defined]
    return state


def _look(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    try:
        return id(value), len(value)
    except TypeError:
        return id(value)
