"""Compare two time functions in one process, in short slices that alternate.

The speed of a machine drifts with its clock and its other load, and much more than the differences to be measured.
Therefore each slice of the subject is compared with the neighbouring slice of the peer, and the result is the median of
these pairs. A disturbance of one slice affects only one pair.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

__all__ = ["Effort", "Measured", "TimeFunction", "compare", "difference"]

# A time function in the sense of pyperf: makes the given number of calls and returns the seconds that they took.
TimeFunction = Callable[[int], float]


@dataclass(frozen=True)
class Effort:
    """The amount of measuring.

    Attributes:
        seconds: the duration of one comparison, without its set-up.
        many: the number of other contexts in the rows with many contexts.
        jobs: the number of jobs in the row that counts leaked descriptors.
    """

    seconds: float = 1.5
    many: int = 1_000_000
    jobs: int = 100_000

    def longer(self, times: float) -> Effort:
        """Return the same effort with more time for one comparison, for rows whose slices are long or uneven."""
        return replace(self, seconds=self.seconds * times)


class Measured(NamedTuple):
    """The number of a row, and the seconds per call that it was computed from; ``None`` if it is not about time."""

    value: float
    subject: float | None = None
    peer: float | None = None


class _Pair(NamedTuple):
    subject: float
    peer: float


def compare(subject: TimeFunction, peer: TimeFunction, effort: Effort, *, slice_seconds: float = 0.0002) -> Measured:
    """Return the time of ``subject`` divided by the time of ``peer``: the median of the pairs.

    Args:
        subject, peer: time functions.
        effort: the duration of the comparison.
        slice_seconds: the duration of a slice. A short slice is seldom interrupted by other programs.
    """
    pairs = _pairs(subject, peer, effort, slice_seconds)
    return Measured(median([pair.subject / pair.peer for pair in pairs]), *_medians(pairs))


def difference(subject: TimeFunction, peer: TimeFunction, effort: Effort, *, slice_seconds: float) -> Measured:
    """Return the seconds that ``subject`` takes more than ``peer``: the median of the pairs."""
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
        if number % 2:  # the order alternates too
            took = subject(subject_loops)
            against = peer(peer_loops)
        else:
            against = peer(peer_loops)
            took = subject(subject_loops)
        pairs.append(_Pair(took / subject_loops, against / peer_loops))
    return pairs


def _loops(function: TimeFunction, slice_seconds: float) -> int:
    """Return the number of loops in a slice. This also warms the function up."""
    loops = 1
    while (took := function(loops)) < slice_seconds / 2:
        loops *= 2
    return max(1, round(loops * slice_seconds / took))
