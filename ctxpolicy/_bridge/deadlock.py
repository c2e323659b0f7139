"""Who waits for whom: what must be known to refuse a wait that could never end.

A piece of work (an isolated call, a job of an executor, a coroutine run under a running loop) is done by a thread, and
somebody waits for it. Where it is a loop's thread that waits and does nothing else, that loop stands still until the
work is done. If the work, or other work that it waits for, wants that very loop to run something, neither ever ends.
The same over several loops: what such a loop is to run waits for the work too, and so does whoever waits for that.

Only waits without a limit count: one with a timeout ends. Awaiting counts only on the way up, because a loop that
awaits still runs.
"""

from __future__ import annotations

import contextlib
import threading
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from typing import Final, NamedTuple, final

from ctxpolicy._asyncio.running import running_loop
from ctxpolicy._fork import RESOLVER, renew_after_fork
from ctxpolicy._loops.creation import creation_site
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import BlockingError

__all__ = ["Wait", "Work", "doing", "handing_over", "present_work", "standing_still"]


class Wait(NamedTuple):
    """That somebody waits for a piece of work.

    Attributes:
        loop: the loop that runs where it is waited; ``None``: none does.
        work: what is done there; ``None``: nothing that is known here.
        stands_still: whether ``loop`` can do nothing else meanwhile.
    """

    loop: AbstractEventLoop | None
    work: Work | None
    stands_still: bool


class Work:
    """What a thread does, and somebody may wait for.

    Args:
        wait: the wait that lasts as long as the work, if there is one.
        within: what must be waited for to the end where this is (the executor of a job).
    """

    __slots__ = ("waits", "within")

    def __init__(self, wait: Wait | None = None, within: Work | None = None) -> None:
        self.waits: tuple[Wait, ...] = () if wait is None else (wait,)
        self.within = within


class _Graph:
    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Forget the waits of threads that a forked child does not have."""
        self.lock = threading.Lock()
        self.handed: dict[AbstractEventLoop, list[Work]] = {}  # the work that waits for each loop


_graph: Final = _Graph()
renew_after_fork(_graph, RESOLVER)
_present: Final = threading.local()


def present_work() -> Work | None:
    """Return what this thread does, ``None`` where that is not known."""
    return getattr(_present, "work", None)


@final
class doing:  # noqa: N801 - reads as the statement that it is part of
    """Note for the block that this thread does ``work``. A class, as each isolated call comes here: 1 us less."""

    __slots__ = ("_former", "_work")

    def __init__(self, work: Work) -> None:
        self._work = work

    def __enter__(self) -> None:
        self._former = present_work()
        _present.work = self._work

    def __exit__(self, *_: object) -> None:
        _present.work = self._former


@contextlib.contextmanager
def standing_still(work: Work) -> Iterator[None]:
    """Note for the block that this thread, and the loop that runs in it, stand still until ``work`` is done.

    Raises:
        BlockingError: ``work`` waits for a loop that would stand still.
    """
    wait = Wait(running_loop(), present_work(), stands_still=True)
    with _graph.lock:
        for loop in [wait.loop, *_standing_still_for(wait.work)]:
            if loop is not None and any(_depends(work, other) for other in _graph.handed.get(loop, ())):
                raise _refusal(loop, "is waited for by the work that is waited for here")
        work.waits += (wait,)
    try:
        yield
    finally:
        with _graph.lock:
            waits = list(work.waits)
            waits.remove(wait)
            work.waits = tuple(waits)


@contextlib.contextmanager
def handing_over(loop: AbstractEventLoop, *, limited: bool) -> Iterator[None]:
    """Note for the block that this thread waits for ``loop`` to run something.

    Args:
        loop: runs in another thread.
        limited: whether the wait has a timeout.

    Raises:
        BlockingError: ``loop`` stands still until the work of this thread is done.
    """
    work = present_work()
    if work is None:
        yield
        return
    with _graph.lock:
        if any(still is loop for still in _standing_still_for(work)):
            raise _refusal(loop, "stands still until the work of this thread is done")
        if not limited:
            _graph.handed.setdefault(loop, []).append(work)
    try:
        yield
    finally:
        if not limited:
            with _graph.lock:
                works = _graph.handed[loop]
                works.remove(work)
                if not works:
                    del _graph.handed[loop]


def _standing_still_for(work: Work | None) -> Iterator[AbstractEventLoop]:
    """Return the loops that stand still until ``work`` is done."""
    for other in _above(work):
        for wait in other.waits:
            if wait.stands_still and wait.loop is not None:
                yield wait.loop


def _depends(work: Work, other: Work) -> bool:
    """Tell whether ``work`` is done only when ``other`` is."""
    return any(above is work for above in _above(other))


def _above(work: Work | None) -> Iterator[Work]:
    """Return ``work`` and all that waits for it, or for a loop that stands still until it is done."""
    seen: list[Work] = []
    ahead = [work]
    while ahead:
        one = ahead.pop()
        if one is None or any(one is other for other in seen):
            continue
        seen.append(one)
        yield one
        ahead.append(one.within)
        for wait in one.waits:
            ahead.append(wait.work)
            if wait.stands_still and wait.loop is not None:
                ahead += _graph.handed.get(wait.loop, ())


def _refusal(loop: AbstractEventLoop, why: str) -> BlockingError:
    return BlockingError(
        f"{loop!r}, made at {creation_site(loop)}, {why}, so to wait here (thread {thread_name()}) would never "
        "end. Await in the loop instead of blocking it (await asyncio.wrap_future(...), await isolate(...)), or "
        "pass the result in."
    )
