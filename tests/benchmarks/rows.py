"""A row of the table: what is measured, against what, and the number to reach."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import NamedTuple

from tests.benchmarks.measure import Effort, Measured

__all__ = ["Reach", "Row"]


@dataclass(frozen=True)
class Reach:
    """The number to reach.

    Attributes:
        number: on most Pythons.
        on: on some it is another, ``{"3.14": 0.95}``.
        least: it is the least there is to be, not the most.
        within_spread: it is enough if one of the processes that measure reaches it: there is to be no difference.
    """

    number: float
    on: dict[str, float] = field(default_factory=dict)
    least: bool = False
    within_spread: bool = False

    def here(self, python: str) -> float:
        """Return the number to reach on a version of Python (``"3.14"``)."""
        return self.on.get(python, self.number)

    def reached(self, value: float, low: float, high: float, python: str) -> bool:
        """Tell whether ``value``, the median of what lies between ``low`` and ``high``, is as good as that."""
        if self.least:
            return (high if self.within_spread else value) >= self.here(python)
        return (low if self.within_spread else value) <= self.here(python)


class Row(NamedTuple):
    """A row of the table, and what measures it.

    Attributes:
        name: what the command line takes.
        what: what is measured, in the table's words.
        peer: what it is measured against.
        measure: measures it.
        reach: the number to reach, on CPython; ``None`` where none is set.
        unit: of the number; empty: how many times as much as the peer.
        needs: packages it needs.
        pypy: whether it can be measured on PyPy.
    """

    name: str
    what: str
    peer: str
    measure: Callable[[Effort], Measured]
    reach: Reach | None = None
    unit: str = ""
    needs: tuple[str, ...] = ()
    pypy: bool = True

    def unavailable(self) -> str | None:
        """Return why this cannot be measured here, ``None`` where it can."""
        if not self.pypy and sys.implementation.name == "pypy":
            return "PyPy reclaims nothing at once"
        missing = [package for package in self.needs if find_spec(package) is None]
        return f"needs {' and '.join(missing)}" if missing else None
