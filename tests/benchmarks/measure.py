"""Measure two things against each other: in one process, in short slices that take turns.

A machine's speed drifts, by its clock and by what else it does, and much more than the differences looked for here. So
each slice of the one is compared with the slice of the other right beside it, and the median of those pairs is taken:
what disturbs one slice disturbs one pair.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

__all__ = ["Effort", "Measured", "TimeFunction", "compare", "difference"]

# What pyperf calls a time function: does the thing that many times, and returns the seconds that took.
TimeFunction = Callable[[int], float]


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Attributes:
        seconds: the time that one comparison is to take, set-up aside.
        many: how many other contexts are alive where there are to be many.
        jobs: how many jobs go by where nothing may pile up.
    """

    seconds: float = 1.5
    many: int = 1_000_000
    jobs: int = 100_000

    def longer(self, times: float) -> Effort:
        """Return the same, with more time for one comparison: for what has slices that are long, or uneven."""
        return replace(self, seconds=self.seconds * times)


class Measured(NamedTuple):
    """A number, and the seconds (of one call) that it was made from; no seconds where it counts something else."""

    value: float
    subject: float | None = None
    peer: float | None = None


class _Pair(NamedTuple):
    subject: float
    peer: float


def compare(subject: TimeFunction, peer: TimeFunction, effort: Effort, *, slice_seconds: float = 0.0002) -> Measured:
    """Return how many times as long ``subject`` takes as ``peer``: the median of the pairs.

    Args:
        subject, peer: time functions.
        effort: how long to compare them.
        slice_seconds: how long a slice is: short enough that few are interrupted by other programs.
    """
    pairs = _pairs(subject, peer, effort, slice_seconds)
    return Measured(median([pair.subject / pair.peer for pair in pairs]), *_medians(pairs))


def difference(subject: TimeFunction, peer: TimeFunction, effort: Effort, *, slice_seconds: float) -> Measured:
    """Return how many seconds ``subject`` takes more than ``peer``: the median of the pairs."""
    pairs = _pairs(subject, peer, effort, slice_seconds)
    return Measured(median([pair.subject - pair.peer for pair in pairs]), *_medians(pairs))


def _medians(pairs: Sequence[_Pair]) -> tuple[float, float]:
    return median([pair.subject for pair in pairs]), median([pair.peer for pair in pairs])


def _pairs(subject: TimeFunction, peer: TimeFunction, effort: Effort, slice_seconds: float) -> list[_Pair]:
    gc.collect()
    slice_seconds = min(slice_seconds, effort.seconds / 10)
    subject_loops, peer_loops = _loops(subject, slice_seconds), _loops(peer, slice_seconds)
    pairs: list[_Pair] = []
    for number in range(max(2, round(effort.seconds / slice_seconds / 2))):
        if number % 2:  # who goes first takes turns too
            took = subject(subject_loops)
            against = peer(peer_loops)
        else:
            against = peer(peer_loops)
            took = subject(subject_loops)
        pairs.append(_Pair(took / subject_loops, against / peer_loops))
    return pairs


def _loops(function: TimeFunction, slice_seconds: float) -> int:
    """Return how many loops a slice has; runs the function warm on the way."""
    loops = 1
    while (took := function(loops)) < slice_seconds / 2:
        loops *= 2
    return max(1, round(loops * slice_seconds / took))
