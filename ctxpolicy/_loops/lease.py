"""The binding of a loop to a context, and the lease of a loop that ctxpolicy created and must close."""

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
from ctxpolicy._asyncio.loop_internals import has_ready_callbacks, run_ready_callbacks
from ctxpolicy._asyncio.shutdown import shut_down
from ctxpolicy._callsite import Place, caller_place, format_place
from ctxpolicy._fork import process
from ctxpolicy._loops.creation import record_creation
from ctxpolicy._loops.finalize import close_leased, end_leased, unclosed
from ctxpolicy._loops.gc_pressure import CollectOnGrowth
from ctxpolicy._loops.pool import PooledLoop, ReusableFactory, loop_pool
from ctxpolicy._loops.snapshot import refcount

__all__ = ["Binding", "Lease", "open_leases"]


class Binding(NamedTuple):
    """A loop that is bound to a context, with its owner.

    A resolver's slot keeps a binding whose ``loop`` is ``None`` after a loop was set and unset by hand. (On Python 3.10
    to 3.13, asyncio creates no loop in a thread in which one was ever set.)

    Attributes:
        loop: the loop, or ``None``.
        thread: the ident of the thread that bound the loop; 0 if ``loop`` is ``None``.
        process: the id of the process that bound the loop.
        lease: the open lease of this context, even if another loop is bound now.
        where: ``file:line in function`` of the call that bound the loop. It is always recorded for leases, and for
            other bindings only in asyncio's debug mode.
        scope: the lease of the innermost scope of this context, while the scope is open.
    """

    loop: AbstractEventLoop | None
    thread: int
    process: int
    lease: Lease | None = None
    where: str | None = None
    scope: Lease | None = None


@final
class Lease:
    """A loop that ctxpolicy created for a context. The loop is closed when the lease ends.

    A lease ends when its last reference is gone, at :meth:`release`, or at interpreter exit. The lease is created
    before its loop, which :meth:`open` creates. Otherwise the garbage collector would finalize the loop first if it
    found both at once. A loop of asyncio's own kind that a policy leases is not closed but kept for the next lease if
    it is still in the state of a new one.

    Args:
        context: the context that the loop is leased for, in the words of its resolver.
        place: the code that needs the loop; ``None``: the code that called into ctxpolicy.

    Attributes:
        loop: the loop; ``None`` before :meth:`open` and after the end.
        slot: the loop and its thread, as the resolver of contextvars contexts binds them. The lease keeps the tuple
            until it ends, because the references to the loop are counted then.
        context: see above.
        thread, process: the thread and the process that own the loop.
    """

    __slots__ = ("__weakref__", "_place", "_pooled", "context", "loop", "process", "slot", "thread")

    def __init__(self, context: str, place: Place | None = None) -> None:
        self.loop: AbstractEventLoop | None = None
        self.slot: tuple[AbstractEventLoop | None, int] | None = None
        self.context: str = context
        self.thread: int = get_ident()
        self.process: int = process.id
        self._place = caller_place() if place is None else place
        self._pooled: PooledLoop | None = None

    @property
    def where(self) -> str:
        """``file:line in function`` of the call that needed the loop."""
        return format_place(self._place)

    def open(self, factory: Callable[[], AbstractEventLoop]) -> AbstractEventLoop:
        """Create the loop, in an empty contextvars context, record on it which code needs it, and return it.

        The self-pipe of a selector loop keeps a copy of its creator's contextvars context until the loop is closed. A
        copy of the present context would keep alive whatever is leased in it.
        """
        if isinstance(factory, ReusableFactory):
            pooled = loop_pool.take(factory)
            self.loop = pooled.loop
            self.slot = (self.loop, self.thread)
            if pooled.snapshot is None:
                pooled.take_snapshot(self)
            pooled.assign(self._place, self.context)
            self._pooled = pooled
        else:
            self.loop = record_creation(contextvars.Context().run(factory), self._place)
        _open[weakref.ref(self, _drop)] = None
        if refcount is None:
            _collect_on_growth.check(_open)
        return self.loop  # type: ignore[return-value]  # set by both branches

    def stands(self) -> bool:
        """Return whether the loop is open, belongs to this process, and is one that this lease must still close."""
        return self.loop is not None and self.process == process.id and not self.loop.is_closed()

    def binding(self, scope: Lease | None = None) -> Binding:
        """Return the binding of the leased loop to the context that it was created for, in ``scope``."""
        return Binding(self.loop, self.thread, self.process, self, self.where, scope)

    def release(self) -> None:
        """End the lease now. Does nothing if the lease has ended, or belongs to another process.

        In the thread that leased the loop, the tasks of the loop are cancelled and the loop is shut down as
        ``asyncio.Runner`` does it. In other threads the loop is only closed, and a ``ResourceWarning`` names the work
        that was pending in it.

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
        """End the lease as :meth:`release` does, but keep a loop that is in the state of a new one for the next lease.

        Callbacks that are ready in such a loop are run first. No loop may be running in this thread.
        """
        if self.process == process.id:
            if self._pooled is not None and self.loop is not None:
                if has_ready_callbacks(self.loop):
                    self._run_ready_callbacks()
                if self._keep(self._pooled):
                    self.loop = self.slot = self._pooled = None
                    return
            self.release()
        elif self.loop is not None and not is_kept_alive(self.loop):
            # This child was forked while the loop ran. Its copy of the loop is detached from the parent's loop.
            loop = self.loop
            self._forget()
            shut_down(loop)

    def _run_ready_callbacks(self) -> None:
        assert self.loop is not None
        if self.loop.is_running():
            return  # in another thread
        try:
            run_ready_callbacks(self.loop)
        except BaseException:  # A callback has raised SystemExit or KeyboardInterrupt.
            self.release()
            raise

    def __repr__(self) -> str:
        return f"<Lease of {self.loop!r} for {self.context}, from {self.where}>"

    def __del__(self) -> None:
        pooled = self._pooled
        if pooled is not None:
            if pooled.loop is None:  # The lease was released, or the collector has finalized the pooled loop already.
                return
            # More references than these mean that the collector found the lease in a cycle. It may have found the loop
            # in the same cycle, and would finalize the loop next.
            if refcount is not None and refcount(self) <= _REFCOUNT_WHEN_UNREACHABLE and self._keep(pooled):
                return
        loop = self.loop
        if loop is not None:
            self._forget()
            end_leased(loop, self.process, self._place, self.context)

    def _keep(self, pooled: PooledLoop) -> bool:
        """Keep the loop for the next lease if it is in the state of a new one, and return whether it is kept."""
        snapshot = pooled.snapshot
        return (
            snapshot is not None and self.process == process.id and snapshot.unchanged(self) and loop_pool.keep(pooled)
        )

    def _forget(self) -> None:
        self.loop = self.slot = None
        if self._pooled is not None:
            self._pooled.loop = None


def _refcount_when_unreachable() -> int:
    """Return how many references to an object its finalizer counts after the last one is gone."""
    counted = []

    class Probe:
        def __del__(self) -> None:
            counted.append(refcount(self))

    if refcount is not None:
        Probe()
    return counted[0] if counted else 0


_REFCOUNT_WHEN_UNREACHABLE: Final = _refcount_when_unreachable()
# The open leases, the oldest first. A WeakValueDictionary does in Python what this dictionary does in C.
_open: Final[dict[weakref.ref[Any], None]] = {}
_drop: Final[Callable[[weakref.ref[Any]], object]] = _open.pop
_collect_on_growth: Final = CollectOnGrowth()


def open_leases() -> list[Lease]:
    """Return the leases that have been opened and are alive, the oldest first."""
    return [lease for lease in (reference() for reference in list(_open)) if lease is not None]


@atexit.register
def _close_all() -> None:
    for lease in reversed(open_leases()):  # The youngest first, because it may use what an older one has created.
        if lease.loop is not None:
            _end_at_exit(lease.loop, lease.release)
    for loop in unclosed:
        _end_at_exit(loop, loop.close)


def _end_at_exit(loop: AbstractEventLoop, end: Callable[[], object]) -> None:
    try:
        if not loop.is_running():
            end()
    except BaseException as error:  # noqa: BLE001 - the other leases must end in any case
        sys.excepthook(type(error), error, error.__traceback__)
