"""The policy classes that asyncio had up to 3.15, and what stands for its thread-local.

Our policies derive from them where asyncio has none, and :mod:`ctxpolicy.compat` puts them back.
"""

from __future__ import annotations

import asyncio
import threading
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

from ctxpolicy._callsite import caller
from ctxpolicy._threads import is_main_thread

__all__ = [
    "AbstractEventLoopPolicy",
    "BaseDefaultEventLoopPolicy",
    "CurrentLoop",
    "DefaultEventLoopPolicy",
    "NativeThreadLocal",
    "NoPolicyDefault",
]


class AbstractEventLoopPolicy:
    """Abstract policy for accessing the event loop (CPython 3.13, without child watchers)."""

    def get_event_loop(self) -> AbstractEventLoop:
        """Return the loop of the present context, or raise."""
        raise NotImplementedError

    def set_event_loop(self, loop: AbstractEventLoop | None) -> None:
        """Make ``loop`` the loop of the present context."""
        raise NotImplementedError

    def new_event_loop(self) -> AbstractEventLoop:
        """Return a new loop, by this policy's rules."""
        raise NotImplementedError


class BaseDefaultEventLoopPolicy(AbstractEventLoopPolicy):
    """A loop for each thread, made unasked for in the main thread only (CPython 3.13)."""

    _loop_factory: Any = None

    class _Local(threading.local):
        _loop: AbstractEventLoop | None = None
        _set_called = False

    def __init__(self) -> None:
        self._local: Any = self._Local()

    def get_event_loop(self) -> AbstractEventLoop:
        """Return the loop of this thread; in the main thread one is made, with a warning, if none was ever set.

        Raises:
            RuntimeError: there is none.
        """
        if self._may_create():
            _, level = caller()
            warnings.warn("There is no current event loop", DeprecationWarning, stacklevel=level)
            self.set_event_loop(self.new_event_loop())
        loop: AbstractEventLoop | None = self._local._loop
        if loop is None:
            raise RuntimeError(f"There is no current event loop in thread {threading.current_thread().name!r}.")
        return loop

    def set_event_loop(self, loop: AbstractEventLoop | None) -> None:
        """Make ``loop`` the loop of this thread.

        Raises:
            TypeError: it is neither an event loop nor ``None``.
        """
        self._local._set_called = True
        if loop is not None and not isinstance(loop, AbstractEventLoop):
            raise TypeError(f"loop must be an instance of AbstractEventLoop or None, not '{type(loop).__name__}'")
        self._local._loop = loop

    def new_event_loop(self) -> AbstractEventLoop:
        """Return a new loop."""
        loop: AbstractEventLoop = self._loop_factory()
        return loop

    def _may_create(self) -> bool:
        return (
            self._local._loop is None
            and not getattr(self._local, "_set_called", False)  # asyncio 3.16's own _local has no such mark
            and is_main_thread()
        )


class DefaultEventLoopPolicy(BaseDefaultEventLoopPolicy):
    """asyncio's default policy: loops of this platform's default kind."""

    _loop_factory = getattr(asyncio, "EventLoop", None)


class NoPolicyDefault(DefaultEventLoopPolicy):
    """What asyncio 3.16 does by itself, as a policy: nothing is made unasked for."""

    def _may_create(self) -> bool:
        return False


class CurrentLoop:
    """Looks like asyncio's thread-local ``_Local``, and stands over a policy.

    asyncio 3.16 reads and writes ``asyncio.events._local._loop``; on earlier versions libraries peek at
    ``policy._local._loop``.

    Args:
        read: returns the current loop.
        write: sets it.
    """

    __slots__ = ("_read", "_write")

    def __init__(
        self, read: Callable[[], AbstractEventLoop | None], write: Callable[[AbstractEventLoop | None], None]
    ) -> None:
        self._read = read
        self._write = write

    @property
    def _loop(self) -> AbstractEventLoop | None:
        return self._read()

    @_loop.setter
    def _loop(self, loop: AbstractEventLoop | None) -> None:
        self._write(loop)


class NativeThreadLocal:
    """asyncio's own thread-local, also where a policy stands in front of it, and the fresh one of a forked child.

    Args:
        present: returns it.
    """

    __slots__ = ("_present",)

    def __init__(self, present: Callable[[], Any]) -> None:
        object.__setattr__(self, "_present", present)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_present")(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(object.__getattribute__(self, "_present")(), name, value)
