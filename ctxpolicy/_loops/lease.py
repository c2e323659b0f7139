"""A loop bound to a context, and the lease of a loop that ctxpolicy made and must close."""

from __future__ import annotations

import atexit
import contextvars
import sys
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable
from threading import get_ident
from typing import Any, Final, NamedTuple, final

from ctxpolicy._asyncio.forked_loops import is_kept_alive
from ctxpolicy._asyncio.shutdown import shut_down
from ctxpolicy._callsite import caller_place, format_place
from ctxpolicy._fork import process
from ctxpolicy._loops.finalize import close_leased, end_leased, unclosed
from ctxpolicy._loops.gc_pressure import Room
from ctxpolicy._loops.pool import Reusing, Spare, spares
from ctxpolicy._loops.snapshot import references

__all__ = ["Binding", "Lease", "open_leases"]


class Binding(NamedTuple):
    """A loop bound to a context, with its owner.

    A resolver's slot that was bound and unbound again by hand keeps a binding whose ``loop`` is ``None`` (on Python
    3.10 to 3.13 asyncio makes no loop where one was ever set).

    Attributes:
        loop: the loop, or ``None``.
        thread: the ident of the thread that bound it; 0 where ``loop`` is ``None``.
        process: the id of the process that bound it.
        lease: the lease that stands in this context, whether its loop is the one bound now or not.
        where: ``file:line in function`` of the call that bound it; recorded for leases always, for the rest only in
            asyncio's debug mode.
        scope: the lease of the innermost scope of this context, as long as the scope is open.
    """

    loop: AbstractEventLoop | None
    thread: int
    process: int
    lease: Lease | None = None
    where: str | None = None
    scope: Lease | None = None


@final
class Lease:
    """A loop that ctxpolicy made for a context, closed when the lease ends.

    It ends when its last reference is gone, at :meth:`release`, or at interpreter exit. Make the lease before its loop
    (:meth:`open`), else the garbage collector finalizes the loop first when both go at once. A loop of asyncio's that a
    policy leases is kept for the next lease instead, where nobody could tell.

    Attributes:
        loop: the loop; ``None`` before :meth:`open` and after the end.
        slot: the loop and its thread, as the resolver of contextvars contexts binds it. Here, so that it is there to
            the end: who refers to the loop is counted then.
        context: what the resolver called the context.
        thread, process: the owner.
    """

    __slots__ = ("__weakref__", "_place", "_spare", "context", "loop", "process", "slot", "thread")

    def __init__(self, context: str) -> None:
        self.loop: AbstractEventLoop | None = None
        self.slot: tuple[AbstractEventLoop | None, int] | None = None
        self.context: str = context
        self.thread: int = get_ident()
        self.process: int = process.id
        self._place = caller_place()
        self._spare: Spare | None = None

    @property
    def where(self) -> str:
        """``file:line in function`` of the call that needed the loop."""
        return format_place(self._place)

    def open(self, factory: Callable[[], AbstractEventLoop]) -> AbstractEventLoop:
        """Make the loop, in an empty contextvars context.

        A selector loop's self-pipe keeps a copy of its creator's contextvars context until the loop is closed, and a
        copy of the present one would pin whatever is leased in it.

        Returns:
            the loop.
        """
        if isinstance(factory, Reusing):
            self._open_spare(spares.take(factory))
        else:
            self.loop = contextvars.Context().run(factory)
            self.slot = (self.loop, self.thread)
        _open[weakref.ref(self, _drop)] = None
        if references is None:
            _room.make(_open)
        return self.loop  # type: ignore[return-value]

    def _open_spare(self, spare: Spare) -> None:
        self.loop = spare.loop
        self.slot = (self.loop, self.thread)
        if spare.look is None:
            spare.look_at(self)
        spare.let(self._place, self.context)
        self._spare = spare

    def stands(self) -> bool:
        """Tell whether the loop is open, of this process, and still to be closed by this lease."""
        return self.loop is not None and self.process == process.id and not self.loop.is_closed()

    def binding(self, scope: Lease | None = None) -> Binding:
        """Return the binding of the leased loop to the context that it was made for, in ``scope``."""
        return Binding(self.loop, self.thread, self.process, self, self.where, scope)

    def release(self) -> None:
        """End the lease now. Does nothing where it has ended, or is another process's.

        In the thread that the loop was leased in, its tasks are cancelled and it is shut down as ``asyncio.Runner``
        does; in other threads it is only closed, and a ``ResourceWarning`` names what was left.

        Raises:
            RuntimeError: the loop is running.
        """
        loop = self.loop
        if loop is None or self.process != process.id:
            return
        if loop.is_running():
            raise RuntimeError(f"{self!r} cannot end while its loop is running")
        self._forget()
        if self.thread == get_ident():
            shut_down(loop)
        else:
            close_leased(loop, self._place, self.context)

    def give_back(self) -> None:
        """End the lease as :meth:`release` does, but keep a loop that is as new for the next lease."""
        spare = self._spare
        if spare is not None and spare.loop is not None and self._may_keep(spare):
            self.loop = self.slot = self._spare = None
        elif self.process == process.id:
            self.release()
        elif self.loop is not None and not is_kept_alive(self.loop):
            # A child that was forked under the loop comes out of it: what it has is a copy, detached from the parent's.
            loop = self.loop
            self._forget()
            shut_down(loop)

    def __repr__(self) -> str:
        return f"<Lease of {self.loop!r} for {self.context}, from {self.where}>"

    def __del__(self) -> None:
        spare = self._spare
        if spare is not None:
            if spare.loop is None:  # it was released, or the collector has finalized the spare before
                return
            # Nobody refers to the lease any more. That is not so where the collector finds it in a cycle: it may have
            # found the loop too, and would go on to finalize it.
            if references is not None and references(self) <= _WHEN_UNREACHABLE and self._may_keep(spare):
                return
        loop = self.loop
        if loop is not None:
            self._forget()
            end_leased(loop, self.process, self._place, self.context)

    def _may_keep(self, spare: Spare) -> bool:
        look = spare.look
        return look is not None and self.process == process.id and look.still(self) and spares.keep(spare)

    def _forget(self) -> None:
        self.loop = self.slot = None
        if self._spare is not None:
            self._spare.loop = None


def _references_when_unreachable() -> int:
    """Return how many references to an object are counted in its finalizer after the last one is gone."""
    counted = []

    class Probe:
        def __del__(self) -> None:
            counted.append(references(self))

    if references is not None:
        Probe()
    return counted[0] if counted else 0


_WHEN_UNREACHABLE: Final = _references_when_unreachable()
# The leases that were opened, in that order. A WeakValueDictionary does in Python what this does in C.
_open: Final[dict[weakref.ref[Any], None]] = {}
_drop: Final[Callable[[weakref.ref[Any]], object]] = _open.pop
_room: Final = Room()


def open_leases() -> list[Lease]:
    """Return the leases that were opened and are alive, the oldest first."""
    return [lease for lease in (reference() for reference in list(_open)) if lease is not None]


@atexit.register
def _close_all() -> None:
    for lease in reversed(open_leases()):  # the youngest first: it may use what an older one has made
        if lease.loop is not None:
            _end_at_exit(lease.loop, lease.release)
    for loop in unclosed:
        _end_at_exit(loop, loop.close)


def _end_at_exit(loop: AbstractEventLoop, end: Callable[[], object]) -> None:
    try:
        if not loop.is_running():
            end()
    except BaseException as error:  # noqa: BLE001 - the others must end all the same
        sys.excepthook(type(error), error, error.__traceback__)
