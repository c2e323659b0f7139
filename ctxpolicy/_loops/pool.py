"""Keep used loops that are in the state of new ones, for the next lease.

Creating and closing a loop takes a dozen system calls, an epoll object and a pair of sockets. Most jobs leave their
loop in the state of a new one, and then no code can tell that the next job has the same loop. Measured in interleaved
runs, a lease takes 0.5 to 0.7 of the time of ``new_event_loop()`` and ``close()`` by hand. If every lease created its
loop, it would take at best 1.1 of that time.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import os
import weakref
from asyncio import AbstractEventLoop
from typing import Any, Final, final

from ctxpolicy._asyncio.capabilities import debug_mode
from ctxpolicy._asyncio.forked_loops import track
from ctxpolicy._asyncio.loop_internals import self_pipe
from ctxpolicy._callsite import Place
from ctxpolicy._fork import RESOLVER, process, renew_after_fork
from ctxpolicy._loops.creation import record_creation
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.finalize import end_leased
from ctxpolicy._loops.snapshot import Holder, Snapshot, refcount

__all__ = ["PooledLoop", "ReusableFactory", "loop_pool"]

_CAPACITY: Final = min(32, (os.cpu_count() or 1) + 4)  # the number of threads of asyncio's default executor


@final
class ReusableFactory:
    """A loop factory whose loops may be replaced by used loops from the pool.

    A direct call creates a loop and records the place of the call.

    Args:
        create: creates loops of asyncio's default kind, ``asyncio.SelectorEventLoop``.
    """

    __slots__ = ("create",)

    def __init__(self, create: LoopFactory) -> None:
        self.create: Final = create

    def __call__(self) -> AbstractEventLoop:
        """Create a new loop."""
        return record_creation(self.create())


class _LeasedLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose own finalizer ends the lease.

    The garbage collector may find a loop and its lease in one cycle, and finalizes them in no fixed order. asyncio's
    finalizer of a loop would warn that the loop is unclosed, although the lease is about to close it.
    """

    # The process that created the loop, the code that needed the present lease, and the context it is leased for.
    _ctxpolicy_lease: tuple[int, Place | None, str]

    @property
    def _ctxpolicy_creation_site(self) -> Place | None:
        """The place that messages give for the loop: :func:`~ctxpolicy._loops.creation.creation_site` reads it."""
        return self._ctxpolicy_lease[1]

    def __del__(self) -> None:
        if not self.is_closed():
            end_leased(self, *self._ctxpolicy_lease)


# The sockets of each leased loop. They refer to nothing, therefore this table keeps no loop alive. Without the table
# the collector could find the sockets in one cycle with the loop, and warn that they are unclosed before the loop
# closes them.
_sockets: Final[weakref.WeakKeyDictionary[AbstractEventLoop, object]] = weakref.WeakKeyDictionary()

for _name in ("__name__", "__qualname__", "__module__"):  # messages show users the class that they know
    setattr(_LeasedLoop, _name, getattr(asyncio.SelectorEventLoop, _name))


@final
class PooledLoop:
    """A loop that passes from one lease to the next.

    Attributes:
        loop: the loop; ``None`` after its end.
        snapshot: the state of the loop when it was new; ``None`` if the loop must not be reused.
        generation: the generation of the pool in which the loop was created.
    """

    __slots__ = ("generation", "loop", "snapshot")

    def __init__(self, generation: object, loop: AbstractEventLoop) -> None:
        self.loop: AbstractEventLoop | None = loop
        self.snapshot: Snapshot | None = None
        self.generation: Final = generation

    def take_snapshot(self, lease: Holder) -> None:
        """Record the state of the loop, which is new and has just been leased."""
        loop: Any = self.loop
        if refcount is not None and not loop.get_debug():
            del loop
            self.snapshot = Snapshot(lease)

    def assign(self, place: Place | None, context: str) -> None:
        """Record on the loop the code that needs the present lease, and the context that the loop is leased for."""
        lease = process.id, place, context
        if self.snapshot is not None:
            self.snapshot.set_last_attribute(self, lease)
        else:
            self.loop._ctxpolicy_lease = lease  # type: ignore[union-attr]  # an attribute of ours

    def close(self) -> None:
        """Close the loop."""
        loop, self.loop = self.loop, None
        if loop is not None:
            loop.close()


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
        self._of_the_parent, self._kept = self._kept, []

    def take(self, factory: ReusableFactory) -> PooledLoop:
        """Return a kept loop, or one that ``factory`` creates in an empty contextvars context."""
        # Debug mode may have been switched on after the loops were created.
        while self._kept and not debug_mode():
            try:
                pooled = self._kept.pop()
            except IndexError:  # Another thread has taken the last one.
                break
            if pooled.loop is not None and not pooled.loop.is_closed():
                return pooled
        return self._create(factory)

    def _create(self, factory: ReusableFactory) -> PooledLoop:
        loop = contextvars.Context().run(factory.create)
        _sockets[loop] = self_pipe(loop)
        track(loop)
        # A placeholder until the first lease is recorded. The snapshot relies on this being the last attribute.
        loop._ctxpolicy_lease = process.id, None, "no context yet"  # type: ignore[attr-defined]  # an attribute of ours
        loop.__class__ = _LeasedLoop
        return PooledLoop(self._generation, loop)

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
            with contextlib.suppress(IndexError):  # None is left, or another thread has taken the last one.
                while True:
                    kept.pop().close()

    def close_for_good(self) -> None:
        """Close the kept loops, and keep none from now on, because the interpreter exits."""
        self._capacity = 0
        self.close()


loop_pool: Final = _LoopPool()
renew_after_fork(loop_pool, RESOLVER)
atexit.register(loop_pool.close_for_good)
