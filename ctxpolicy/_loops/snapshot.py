"""Find out whether a used loop is in the state of a new one, and may therefore be reused.

Everything that can still reach a loop (a task, a timer, a future, a transport, an asynchronous generator, a thread, a
variable) refers to the loop. A loop is therefore unchanged if its attributes are those that it had when it was new, if
nothing is scheduled or watched in it, and if it has as many strong and weak references as it had then. No code can
tell such a loop from one that has just been created.
"""

from __future__ import annotations

import operator
import sys
import weakref
from asyncio import AbstractEventLoop
from typing import Any, Final, Protocol, final

from ctxpolicy._asyncio.loop_internals import is_idle

__all__ = ["Holder", "Snapshot", "refcount"]


def _reference_counter() -> Any:
    """Return the function that counts the references to an object, or ``None`` if counts prove nothing.

    PyPy counts no references. On free-threaded builds, other threads change the counts while this thread reads them.
    """
    return getattr(sys, "getrefcount", None) if getattr(sys, "_is_gil_enabled", lambda: True)() else None


refcount: Final[Any] = _reference_counter()


class Holder(Protocol):
    """An object that refers to the loop. A variable that refers to the loop would count as one more reference."""

    @property
    def loop(self) -> AbstractEventLoop | None: ...


@final
class Snapshot:
    """The state of a new loop of asyncio's own kind: its attributes and the number of references to it."""

    __slots__ = ("_name_of_last", "_references", "_values", "_weak_references")

    def __init__(self, holder: Holder) -> None:
        attributes = vars(holder.loop)
        self._values: Final = list(attributes.values())
        self._name_of_last: Final = next(reversed(attributes))
        self._references: Final[int] = refcount(holder.loop)
        self._weak_references: Final = weakref.getweakrefcount(holder.loop)

    def unchanged(self, holder: Holder) -> bool:
        """Return whether the loop is in the same state now.

        The names of the attributes are not compared, because this would double the time. The names can differ only if
        the values do: code that renames an attribute removes one and adds another behind the last attribute, whose
        value occurs only once.
        """
        values = vars(holder.loop).values()
        return (
            refcount(holder.loop) == self._references  # first, because this check is the fastest to fail
            and weakref.getweakrefcount(holder.loop) == self._weak_references
            and len(values) == len(self._values)
            # Not ==, which may call any code and may raise, as it does for arrays of numpy.
            and all(map(operator.is_, values, self._values))
            and is_idle(holder.loop)
        )

    def set_last_attribute(self, holder: Holder, value: object) -> None:
        """Set the last attribute of the loop without making the loop count as changed.

        Args:
            holder: the object that refers to the loop.
            value: a new object that nothing else refers to.
        """
        vars(holder.loop)[self._name_of_last] = self._values[-1] = value
