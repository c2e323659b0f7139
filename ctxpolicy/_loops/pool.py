"""Keep used loops that are in the state of new ones, for the next lease.

Creating and closing a loop takes a dozen system calls, an epoll object and a pair of sockets. Most jobs leave their
loop as they received it, and then no code can tell whether the next job has the same loop. Measured in interleaved
runs, a lease takes 0.5 to 0.7 of the time of ``new_event_loop()`` and ``close()`` by hand. If every lease created its
loop, it would take at best 1.1 of that time.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
from asyncio import AbstractEventLoop
from typing import Any, Final, final

from ctxpolicy._asyncio.capabilities import debug_mode
from ctxpolicy._asyncio.forked_loops import track
from ctxpolicy._callsite import Place
from ctxpolicy._fork import RESOLVER, process, renew_after_fork
from ctxpolicy._loops.creation import CREATION_SITE, record_creation
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.finalize import end_leased
from ctxpolicy._loops.snapshot import Holder, Snapshot, refcount

__all__ = ["PooledLoop", "ReusableFactory", "loop_pool"]

_CAPACITY: Final = min(32, (os.cpu_count() or 1) + 4)  # the number of threads of asyncio's default executor


@final
class ReusableFactory:
    """A loop factory for which a used loop from the pool does as well as a new one.

    Called as a plain factory, it creates a loop and records where.

    Args:
        create: creates loops of asyncio's default kind, ``asyncio.SelectorEventLoop``.
    """

    __slots__ = ("create",)

    def __init__(self, create: LoopFactory) -> None:
        self.create: Final = create

    def __call__(self) -> AbstractEventLoop:
        """Create a new loop."""
        return record_creation(self.create())


@final
class PooledLoop:
    """A loop that passes from one lease to the next.

    The garbage collector may find this object, the loop and the present lease in one cycle. It finalizes the older
    object first, and a reused loop is older than its present lease. This object is older than the loop, and its
    finalizer ends the loop. Otherwise the loop's own finalizer would run first, and warn that nobody closed the loop.

    Attributes:
        loop: the loop; ``None`` after its end.
        snapshot: the state of the loop when it was new; ``None`` if the loop must not be reused.
        generation: the generation of the pool in which the loop was created.
        place, context: the code that needed the present lease, and the context that the loop is leased for.
    """

    __slots__ = ("_process", "context", "generation", "loop", "place", "snapshot")

    def __init__(self, generation: object) -> None:
        self.loop: AbstractEventLoop | None = None
        self.snapshot: Snapshot | None = None
        self.generation: Final = generation
        self.place: Place | None = None
        self.context = ""
        self._process = process.id

    def take_snapshot(self, lease: Holder) -> None:
        """Record the state of the loop, which is new and has just been leased."""
        loop: Any = self.loop
        if refcount is not None and type(loop) is asyncio.SelectorEventLoop and not loop.get_debug():
            del loop
            self.snapshot = Snapshot(lease)

    def assign(self, place: Place | None, context: str) -> None:
        """Record the present lease."""
        self.place, self.context = place, context
        if self.snapshot is not None:
            self.snapshot.set_attribute(self, CREATION_SITE, place)
        else:
            setattr(self.loop, CREATION_SITE, place)

    def close(self) -> None:
        """Close the loop."""
        loop, self.loop = self.loop, None
        if loop is not None:
            loop.close()

    def __del__(self) -> None:
        loop, self.loop = self.loop, None
        if loop is not None:
            end_leased(loop, self._process, self.place, self.context)


@final
class _LoopPool:
    """The kept loops. The one that was used last is taken first.

    Finalizers call these methods, in any thread. Therefore no method takes a lock.
    """

    def __init__(self) -> None:
        self._capacity = _CAPACITY
        self._generation: object = object()
        self._kept: list[PooledLoop] = []
        self._of_the_parent: list[PooledLoop] = []

    def after_fork(self) -> None:
        """Set the loops of the parent process aside. They are not detached from the parent yet."""
        self._generation = object()
        self._of_the_parent, self._kept = self._kept, []

    def take(self, factory: ReusableFactory) -> PooledLoop:
        """Return a kept loop, or one that ``factory`` creates in an empty contextvars context."""
        # Debug mode may have been switched on after the loops were created.
        while self._kept and not debug_mode():
            pooled = _pop(self._kept)
            if pooled is None:
                break
            if pooled.loop is not None and not pooled.loop.is_closed():
                return pooled
        return self._create(factory)

    def _create(self, factory: ReusableFactory) -> PooledLoop:
        pooled = PooledLoop(self._generation)
        pooled.loop = contextvars.Context().run(factory.create)
        track(pooled.loop)
        return pooled

    def keep(self, pooled: PooledLoop) -> bool:
        """Keep a loop that is in the state of a new one, and return whether there was room for it."""
        if len(self._kept) >= self._capacity or pooled.generation is not self._generation:
            return False
        self._kept.append(pooled)
        return True

    def close(self) -> None:
        """Close the kept loops. Loops that are leased now are not kept when their leases end."""
        self._generation = object()
        for kept in (self._of_the_parent, self._kept):
            while (pooled := _pop(kept)) is not None:
                pooled.close()

    def close_for_good(self) -> None:
        """Close the kept loops, and keep none from now on, because the interpreter exits."""
        self._capacity = 0
        self.close()


def _pop(kept: list[PooledLoop]) -> PooledLoop | None:
    try:
        return kept.pop()
    except IndexError:  # Not asked before: another thread may take the last one meanwhile.
        return None


loop_pool: Final = _LoopPool()
renew_after_fork(loop_pool, RESOLVER)
atexit.register(loop_pool.close_for_good)
