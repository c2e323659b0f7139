"""A row of the table: the subject, the peer, and the number to reach."""

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
        number: the number on most Pythons.
        on: other numbers on some Pythons, such as ``{"3.14": 0.95}``.
        least: whether the number is a minimum instead of a maximum.
        within_spread: whether it is enough that one of the measuring processes reaches the number. This is for rows in
            which no difference is expected.
    """

    number: float
    on: dict[str, float] = field(default_factory=dict)
    least: bool = False
    within_spread: bool = False

    def here(self, python: str) -> float:
        """Return the number to reach on a version of Python (``"3.14"``)."""
        return self.on.get(python, self.number)

    def reached(self, value: float, low: float, high: float, python: str) -> bool:
        """Return whether ``value``, the median of measurements between ``low`` and ``high``, reaches the number."""
        if self.least:
            return (high if self.within_spread else value) >= self.here(python)
        return (low if self.within_spread else value) <= self.here(python)


class Row(NamedTuple):
    """A row of the table, and the function that measures it.

    Attributes:
        name: the name on the command line.
        what: the subject, as the table names it.
        peer: the peer, as the table names it.
        measure: the function that measures the row.
        reach: the number to reach on CPython; ``None`` if there is none.
        unit: the unit of the number; empty for a ratio to the peer.
        needs: the packages that the row needs.
        pypy: whether the row can be measured on PyPy.
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
        """Return why this row cannot be measured here, ``None`` if it can."""
        if not self.pypy and sys.implementation.name == "pypy":
            return "PyPy does not free unreachable objects at once"
        missing = [package for package in self.needs if find_spec(package) is None]
        return f"needs {' and '.join(missing)}" if missing else None
