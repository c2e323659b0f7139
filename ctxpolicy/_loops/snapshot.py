"""Tell whether a loop that was used is as new, so that it may be used again.

Whoever could still reach a loop (a task, a timer, a future, a transport, an asynchronous generator, a thread, a
variable) refers to it. So a loop that nobody refers to but who did when it was new, neither strongly nor weakly, and
that looks as it did then, is as new: nobody can tell that it was not made just now.
"""

from __future__ import annotations

import operator
import sys
import weakref
from asyncio import AbstractEventLoop
from typing import Any, Final, Protocol, final

from ctxpolicy._asyncio.loop_internals import is_idle

__all__ = ["Holder", "Look", "references"]


def _reference_counter() -> Any:
    """Return what counts references; ``None`` where nobody can tell that a loop is as new.

    That is: on PyPy, which counts none, and on free-threaded builds, where other threads count while this one looks.
    """
    return getattr(sys, "getrefcount", None) if getattr(sys, "_is_gil_enabled", lambda: True)() else None


references: Final[Any] = _reference_counter()


class Holder(Protocol):
    """Who has the loop. The one who looks takes it from there: a variable of its own would count as a reference."""

    @property
    def loop(self) -> AbstractEventLoop | None: ...


@final
class Look:
    """What can be seen of a loop of asyncio's when it is new: its attributes, how much is in them, who refers to it."""

    __slots__ = ("_attributes", "_references")

    def __init__(self, holder: Holder) -> None:
        self._attributes: Final = dict(vars(holder.loop))
        self._references: Final = _references_to_loop_of(holder)

    def still(self, holder: Holder) -> bool:
        """Tell whether the loop looks the same now."""
        return (
            _references_to_loop_of(holder) == self._references  # the quickest to find that it does not goes first
            and _are_the_same(vars(holder.loop), self._attributes)
            and is_idle(holder.loop)
        )

    def note(self, holder: Holder, attribute: str, value: object) -> None:
        """Give the loop an attribute that is not a difference."""
        vars(holder.loop)[attribute] = self._attributes[attribute] = value


def _are_the_same(attributes: dict[str, Any], others: dict[str, Any]) -> bool:
    # Not ==, which may call anything, and raise: numpy's arrays do.
    return attributes.keys() == others.keys() and all(map(operator.is_, attributes.values(), others.values()))


def _references_to_loop_of(holder: Holder) -> tuple[int, int]:
    return references(holder.loop), weakref.getweakrefcount(holder.loop)
