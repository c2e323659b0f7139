"""Loops that were leased and are as new: kept for the next lease.

To make a loop and close it takes a dozen system calls, an epoll object and a pair of sockets. Most jobs leave the loop
that they were given as it was, and nobody can tell whether the next job's is the same one. So it need not be made: a
lease takes 0.5 to 0.7 of the time of ``new_event_loop()`` and ``close()`` by hand; at best 1.1 if each makes its loop.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from typing import Any, Final, final

from ctxpolicy._asyncio.capabilities import debug_mode
from ctxpolicy._asyncio.forked_loops import track
from ctxpolicy._callsite import Place
from ctxpolicy._fork import RESOLVER, process, renew_after_fork
from ctxpolicy._loops.creation import ORIGIN
from ctxpolicy._loops.finalize import end_leased
from ctxpolicy._loops.snapshot import Holder, Look, references

__all__ = ["Reusing", "Spare", "spares"]

_MOST: Final = min(32, (os.cpu_count() or 1) + 4)  # as many as asyncio's default executor has threads


@final
class Reusing:
    """A loop factory that makes loops of asyncio's own, of which a spare one will do as well.

    Args:
        bare: makes them.
        whole: makes them and notes where, for whoever calls this as a plain factory.
    """

    __slots__ = ("_whole", "bare")

    def __init__(self, bare: Callable[[], AbstractEventLoop], whole: Callable[[], AbstractEventLoop]) -> None:
        self.bare: Final = bare
        self._whole: Final = whole

    def __call__(self) -> AbstractEventLoop:
        """Make a new one."""
        return self._whole()


@final
class Spare:
    """A loop that goes from lease to lease.

    Where the collector finds it together with the present lease it must end that one's loop itself, because it is older
    than the loop, and the lease younger: in that order they are finalized, and the loop's own finalizer would complain
    that nobody had closed it.

    Attributes:
        loop: the loop; ``None`` when that has ended.
        look: what it looked like when it was new; ``None`` where it is not to be used again.
        known: what :class:`_Spares` knows it by.
        place, context: of the present lease.
    """

    __slots__ = ("_process", "context", "known", "look", "loop", "place")

    def __init__(self, known: object) -> None:
        self.loop: AbstractEventLoop | None = None
        self.look: Look | None = None
        self.known: Final = known
        self.place: Place | None = None
        self.context = ""
        self._process = process.id

    def look_at(self, lease: Holder) -> None:
        """Note what the loop, which is new, looks like when it is leased."""
        loop: Any = self.loop
        if references is not None and type(loop) is asyncio.SelectorEventLoop and not loop.get_debug():
            del loop
            self.look = Look(lease)

    def let(self, place: Place | None, context: str) -> None:
        """Note the present lease."""
        self.place, self.context = place, context
        if self.look is not None:
            self.look.note(self, ORIGIN, place)
        else:
            setattr(self.loop, ORIGIN, place)

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
class _Spares:
    """The loops that are kept, the one used last first. Finalizers come here, in any thread: nothing takes a lock."""

    def __init__(self) -> None:
        self._room = _MOST
        self._known: object = object()
        self._kept: list[Spare] = []
        self._of_the_parent: list[Spare] = []

    def after_fork(self) -> None:
        """Put aside the loops of the parent, which are not detached from it yet."""
        self._known = object()
        self._of_the_parent, self._kept = self._kept, []

    def take(self, factory: Reusing) -> Spare:
        """Return a loop that is as new, or one that ``factory`` makes, in an empty contextvars context."""
        if not debug_mode():  # which may have come after the loops were made
            for spare in _popped(self._kept):
                if spare.loop is not None and not spare.loop.is_closed():
                    return spare
        return self._made(factory)

    def _made(self, factory: Reusing) -> Spare:
        spare = Spare(self._known)
        spare.loop = contextvars.Context().run(factory.bare)
        track(spare.loop)
        return spare

    def keep(self, spare: Spare) -> bool:
        """Keep a loop that is as new; return whether there was room for it."""
        if len(self._kept) >= self._room or spare.known is not self._known:
            return False
        self._kept.append(spare)
        return True

    def close(self) -> None:
        """Close what is kept, and keep nothing that is leased now."""
        self._known = object()
        for kept in (self._of_the_parent, self._kept):
            for spare in _popped(kept):
                spare.close()

    def end(self) -> None:
        """Keep nothing any more: the interpreter exits."""
        self._room = 0
        self.close()


def _popped(kept: list[Spare]) -> Iterator[Spare]:
    while kept:
        try:
            yield kept.pop()
        except IndexError:  # another thread was faster
            return


spares: Final = _Spares()
renew_after_fork(spares, RESOLVER)
atexit.register(spares.end)
