"""A loop bound to a context, and the lease of a loop that ctxpolicy made and must close."""

from __future__ import annotations

import atexit
import contextvars
import itertools
import warnings
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable
from threading import get_ident
from typing import Final, NamedTuple, final

from ctxpolicy._asyncio import leftovers, shut_down
from ctxpolicy._fork import process
from ctxpolicy._frames import where as caller_place
from ctxpolicy._inherited import keep_inherited

__all__ = ["Binding", "Lease"]


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
    (:meth:`open`), else the garbage collector finalizes the loop first when both go at once.

    Attributes:
        loop: the loop; ``None`` before :meth:`open` and after the end.
        context: what the resolver called the context.
        thread, process: the owner.
        where: ``file:line in function`` of the call that needed the loop.
    """

    __slots__ = ("__weakref__", "context", "loop", "process", "thread", "where")

    def __init__(self, context: str) -> None:
        self.loop: AbstractEventLoop | None = None
        self.context: str = context
        self.thread: int = get_ident()
        self.process: int = process.id
        self.where: str = caller_place()

    def open(self, factory: Callable[[], AbstractEventLoop]) -> AbstractEventLoop:
        """Make the loop, in an empty contextvars context.

        A selector loop's self-pipe keeps a copy of its creator's contextvars context until the loop is closed, and a
        copy of the present one would pin whatever is leased in it.

        Returns:
            the loop.
        """
        self.loop = contextvars.Context().run(factory)
        _open[next(_serial)] = self
        return self.loop

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
        self.loop = None
        if self.thread == get_ident():
            shut_down(loop)
        else:
            self._close(loop)

    def __repr__(self) -> str:
        return f"<Lease of {self.loop!r} for {self.context}, from {self.where}>"

    def __del__(self) -> None:
        loop, self.loop = self.loop, None
        if loop is None:
            return
        if self.process != process.id:
            keep_inherited(loop)
        elif loop.is_running():
            # close() would raise, and a finalizer may not stop what another frame or thread is running.
            _unclosed.append(loop)
            self._warn(loop, "is still running at the end of its lease, and will be closed at interpreter exit")
        else:
            self._close(loop)

    def _close(self, loop: AbstractEventLoop) -> None:
        # A finalizer may run in any thread, also while a loop runs in this one: it may close a loop, never run one.
        left = [] if loop.is_closed() else leftovers(loop)
        try:
            loop.close()
        except (OSError, ValueError):
            pass  # the collector has finalized the loop's own sockets and selector before this lease
        if left:
            self._warn(loop, f"was closed at the end of its lease with something left in it: {', '.join(left)}")

    def _warn(self, loop: AbstractEventLoop, what: str) -> None:
        message = f"the loop leased at {self.where} for {self.context} {what}: {loop!r}"
        warnings.warn(message, ResourceWarning, stacklevel=2, source=loop)


_serial: Final = itertools.count()
_open: Final[weakref.WeakValueDictionary[int, Lease]] = weakref.WeakValueDictionary()
_unclosed: Final[list[AbstractEventLoop]] = []


@atexit.register
def _close_all() -> None:
    for lease in reversed(list(_open.values())):  # the youngest first: it may use what an older one has made
        if lease.loop is not None and not lease.loop.is_running():
            lease.release()
    for loop in _unclosed:
        if not loop.is_running():
            loop.close()
