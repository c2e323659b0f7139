"""Who stands still for whom: what must be known to refuse a wait that could never end.

Each loop that somebody waits for has an edge to the loop that waits: the loop of an isolated call to its caller's, a
loop run under another one to that one. The latter stands still meanwhile; a wait for it, from anywhere behind the loop
that it stands still for, would never end.
"""

from __future__ import annotations

import contextlib
import threading
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["job_of", "running_job", "stands_still_for", "waited_for"]


class _Edge(NamedTuple):
    waiter: AbstractEventLoop
    stands_still: bool


_edges: Final[dict[object, _Edge]] = {}
_present: Final = threading.local()


@contextlib.contextmanager
def waited_for(what: object, waiter: AbstractEventLoop | None, *, stands_still: bool) -> Iterator[None]:
    """Note for the block that ``waiter`` waits for ``what``.

    Args:
        what: a loop, or the job of an executor.
        waiter: the loop; ``None``: no loop waits.
        stands_still: whether ``waiter`` can do nothing else meanwhile.
    """
    if waiter is None:
        yield
        return
    former = _edges.get(what)
    _edges[what] = _Edge(waiter, stands_still)
    try:
        yield
    finally:
        if former is None:
            del _edges[what]
        else:
            _edges[what] = former


@contextlib.contextmanager
def running_job(job: object) -> Iterator[None]:
    """Note for the block that this thread works on ``job``: a loop, or the job of an executor."""
    former = job_of()
    _present.job = job
    try:
        yield
    finally:
        _present.job = former


def job_of() -> object:
    """Return what this thread works on, ``None`` where that is not known."""
    return getattr(_present, "job", None)


def stands_still_for(loop: AbstractEventLoop, job: object) -> bool:
    """Tell whether ``loop`` stands still until ``job`` is done."""
    edge = _edges.get(job)
    while edge is not None:
        if edge.stands_still and edge.waiter is loop:
            return True
        edge = _edges.get(edge.waiter)
    return False
