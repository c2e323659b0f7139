"""The policy classes that asyncio had up to Python 3.15, and stand-ins for its thread-local.

If asyncio has no policy classes, our policies derive from these, and :mod:`ctxpolicy.compat` adds these to asyncio.
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
    "policy_class",
]


class AbstractEventLoopPolicy:
    """Abstract policy for accessing the event loop (CPython 3.13, without child watchers)."""

    def get_event_loop(self) -> AbstractEventLoop:
        """Return the event loop of the present context, or raise."""
        raise NotImplementedError

    def set_event_loop(self, loop: AbstractEventLoop | None) -> None:
        """Set the event loop of the present context to ``loop``."""
        raise NotImplementedError

    def new_event_loop(self) -> AbstractEventLoop:
        """Create and return a new event loop according to this policy's rules."""
        raise NotImplementedError


class BaseDefaultEventLoopPolicy(AbstractEventLoopPolicy):
    """One event loop per thread; only the main thread gets one implicitly (CPython 3.13)."""

    _loop_factory: Any = None

    class _Local(threading.local):
        _loop: AbstractEventLoop | None = None
        _set_called = False

    def __init__(self) -> None:
        self._local: Any = self._Local()

    def get_event_loop(self) -> AbstractEventLoop:
        """Return the event loop of this thread.

        In the main thread a loop is created, with a ``DeprecationWarning``, if none was ever set.

        Raises:
            RuntimeError: this thread has no loop.
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
        """Set the event loop of this thread.

        Raises:
            TypeError: ``loop`` is neither an event loop nor ``None``.
        """
        self._local._set_called = True
        if loop is not None and not isinstance(loop, AbstractEventLoop):
            raise TypeError(f"loop must be an instance of AbstractEventLoop or None, not '{type(loop).__name__}'")
        self._local._loop = loop

    def new_event_loop(self) -> AbstractEventLoop:
        """Create and return a new event loop."""
        loop: AbstractEventLoop = self._loop_factory()
        return loop

    def _may_create(self) -> bool:
        return (
            self._local._loop is None
            and not getattr(self._local, "_set_called", False)  # _local of asyncio 3.16 has no such attribute
            and is_main_thread()
        )


class DefaultEventLoopPolicy(BaseDefaultEventLoopPolicy):
    """asyncio's default policy: loops of this platform's default kind."""

    _loop_factory = getattr(asyncio, "EventLoop", None)


class NoPolicyDefault(DefaultEventLoopPolicy):
    """The behaviour of asyncio 3.16, which has no policies, as a policy: no loop is created implicitly."""

    def _may_create(self) -> bool:
        return False


def policy_class(name: str, loop_class: Any) -> type[BaseDefaultEventLoopPolicy]:
    """Return a new policy class called ``name`` whose loops are instances of ``loop_class``."""
    return type(name, (BaseDefaultEventLoopPolicy,), {"_loop_factory": loop_class})


class CurrentLoop:
    """Looks like asyncio's thread-local, and passes reads and writes of the loop on to a policy.

    asyncio 3.16 reads and writes ``asyncio.events._local._loop``. On earlier versions some libraries read
    ``policy._local._loop``.

    Args:
        read: returns the current loop.
        write: sets the current loop.
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
    """Passes every attribute access on to asyncio's own thread-local.

    It finds asyncio's own thread-local even while a policy has replaced it, and in a forked child, for which asyncio
    makes a new one.

    Args:
        find: returns asyncio's own thread-local.
    """

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[], Any]) -> None:
        object.__setattr__(self, "_find", find)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_find")(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(object.__getattribute__(self, "_find")(), name, value)
