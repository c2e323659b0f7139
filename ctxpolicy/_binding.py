"""A loop bound to a context, and the lease of a loop that ctxpolicy made and must close."""

from __future__ import annotations

import atexit
import contextvars
import warnings
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable
from threading import get_ident
from typing import Final, NamedTuple, final

from ctxpolicy._fork import process
from ctxpolicy._frames import where as caller_place
from ctxpolicy.errors import LoopFactoryError

__all__ = ["Binding", "Lease", "keep_inherited"]


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
    """

    loop: AbstractEventLoop | None
    thread: int
    process: int
    lease: Lease | None = None
    where: str | None = None


# What a forked child inherited and has replaced: dropping a loop closes it (BaseEventLoop.__del__), and closing it in
# the child unregisters the parent's self-pipe from the epoll object that both share.
_inherited: Final[list[object]] = []


def keep_inherited(thing: object) -> None:
    """Keep alive what belongs to the parent process, to the end of this one."""
    _inherited.append(thing)


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
        self.context = context
        self.thread = get_ident()
        self.process = process.id
        self.where = caller_place()

    def open(self, factory: Callable[[], AbstractEventLoop]) -> AbstractEventLoop:
        """Make the loop, in an empty contextvars context.

        A selector loop's self-pipe keeps a copy of its creator's contextvars context until the loop is closed, and a
        copy of the present one would pin whatever is leased in it.

        Returns:
            the loop.
        """
        self.loop = contextvars.Context().run(factory)
        _open.add(self)
        return self.loop

    def stands(self) -> bool:
        """Tell whether the loop is open, of this process, and still to be closed by this lease."""
        return self.loop is not None and self.process == process.id and not self.loop.is_closed()

    def binding(self) -> Binding:
        """Return the binding of the leased loop to the context that it was made for."""
        return Binding(self.loop, self.thread, self.process, self, self.where)

    def release(self) -> None:
        """Close the loop now. Does nothing where the lease has ended.

        Raises:
            RuntimeError: the loop is running.
        """
        if self.loop is not None and self.process == process.id:
            self.loop.close()
            self.loop = None

    def __repr__(self) -> str:
        return f"<Lease of {self.loop!r} for {self.context}, from {self.where}>"

    def __del__(self) -> None:
        loop, self.loop = self.loop, None
        if loop is None:
            return
        if self.process != process.id:
            keep_inherited(loop)
        elif loop.is_running():
            self._hand_over(loop)
        else:
            try:
                loop.close()
            except (OSError, ValueError):
                pass  # the collector has finalized the loop's own sockets and selector before this lease

    def _hand_over(self, loop: AbstractEventLoop) -> None:
        # close() would raise, and a finalizer may not stop what another frame or thread is running.
        _unclosed.append(loop)
        warnings.warn(
            f"the loop leased at {self.where} for {self.context} is still running at the end of its lease; "
            f"it will be closed at interpreter exit: {loop!r}",
            ResourceWarning,
            stacklevel=2,
            source=loop,
        )


_open: Final[weakref.WeakSet[Lease]] = weakref.WeakSet()
_unclosed: Final[list[AbstractEventLoop]] = []


@atexit.register
def _close_all() -> None:
    for lease in list(_open):
        if lease.loop is not None and not lease.loop.is_running():
            lease.release()
    for loop in _unclosed:
        if not loop.is_running():
            loop.close()
