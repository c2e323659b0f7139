"""The results of one Python, stored as JSON so that the results of several Pythons make one table."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyperf

from tests.benchmarks.measure import Measured
from tests.benchmarks.rows import Row

__all__ = ["Figure", "Results", "figure", "results"]


@dataclass(frozen=True)
class Figure:
    """The number of one row.

    Attributes:
        value: the median of the processes that measured the row.
        low, high: the least and the greatest value of these processes.
        subject, peer: seconds per call; ``None`` if the row is not about time.
        reached: whether the target is reached; ``None`` if the row has no target.
    """

    value: float
    low: float
    high: float
    subject: float | None
    peer: float | None
    reached: bool | None


@dataclass(frozen=True)
class Results:
    """The results of one Python.

    Attributes:
        python: the name of the Python in the table: ``"3.14"``, ``"PyPy 3.11"``.
        about: the Python and the machine, as pyperf describes them.
        figures: the figures by the names of their rows.
    """

    python: str
    about: Mapping[str, Any]
    figures: Mapping[str, Figure]

    def write(self, path: Path) -> None:
        """Write the results as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        """Return the results that :meth:`write` has written."""
        kept = json.loads(path.read_text())
        figures = {name: Figure(**fields) for name, fields in kept["figures"].items()}
        return cls(kept["python"], kept["about"], figures)


def figure(row: Row, measured: Sequence[Measured]) -> Figure:
    """Return the figure of ``row`` from the measurements of several processes."""
    values = [each.value for each in measured]
    value, low, high = statistics.median(values), min(values), max(values)
    reached = None if row.reach is None or _is_pypy() else row.reach.reached(value, low, high, _version())
    times = (_median([each.subject for each in measured]), _median([each.peer for each in measured]))
    return Figure(value, low, high, *times, reached)


def results(figures: Mapping[str, Figure]) -> Results:
    """Return the results of the present Python."""
    metadata = pyperf.Run([1.0], metadata={"name": "about"}).get_metadata()
    kept = ("python_implementation", "python_version", "platform", "cpu_model_name", "cpu_count", "load_avg_1min")
    about = {key: metadata[key] for key in kept if key in metadata}
    return Results(f"PyPy {_version()}" if _is_pypy() else _version(), about, figures)


def _median(values: Sequence[float | None]) -> float | None:
    times = [value for value in values if value is not None]
    return statistics.median(times) if times else None


def _version() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _is_pypy() -> bool:
    return sys.implementation.name == "pypy"
