"""The host of Python 3.16, which has no policies: the policy stands behind ``asyncio.events._local``.

There ``asyncio.get_event_loop()`` ends in ``asyncio.events._local._loop`` where no loop runs, ``set_event_loop()``
writes it, and ``run``, ``Runner`` and everybody else get their loops from ``new_event_loop()``. So an object with a
``_loop`` property takes the place of ``_local``, and the policy's method that of ``new_event_loop``. The policy classes
that asyncio had up to 3.15 live on here, for ours to derive from and for :mod:`ctxpolicy.compat` to put back.
"""

from __future__ import annotations

import asyncio
import threading
import warnings
from asyncio import AbstractEventLoop, events
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ctxpolicy._frames import caller

__all__ = [
    "AbstractEventLoopPolicy",
    "BaseDefaultEventLoopPolicy",
    "CurrentLoop",
    "DefaultEventLoopPolicy",
    "NativeLocal",
    "OwnWay",
    "SeamHost",
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
            and threading.current_thread() is threading.main_thread()
        )


class DefaultEventLoopPolicy(BaseDefaultEventLoopPolicy):
    """asyncio's default policy: loops of this platform's default kind."""

    _loop_factory = getattr(asyncio, "EventLoop", None)


class OwnWay(DefaultEventLoopPolicy):
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


class NativeLocal:
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


class _Parts(NamedTuple):
    """The two parts of asyncio that a policy takes the place of."""

    local: Any
    new_event_loop: Callable[[], AbstractEventLoop]


def _parts() -> _Parts:
    return _Parts(events._local, events.new_event_loop)  # type: ignore[attr-defined]


def _put(parts: _Parts) -> None:
    events._local = parts.local  # type: ignore[attr-defined]
    events.new_event_loop = asyncio.new_event_loop = parts.new_event_loop


class SeamHost:
    """Puts a policy behind ``asyncio.events._local`` and ``new_event_loop``."""

    name = "asyncio.events._local"

    def __init__(self) -> None:
        self.default: Any = None
        self._policy: Any = None
        self._ours: _Parts | None = None
        self._native = self._first = _parts()
        self._parents: list[object] = []
        self._own = OwnWay()
        self._own._local = NativeLocal(self._native_local)

        def new_event_loop() -> AbstractEventLoop:
            """Return a new event loop, as the policy in force makes them."""
            policy = self.in_force()
            make = self._first.new_event_loop if policy is None else policy.new_event_loop
            loop: AbstractEventLoop = make()
            return loop

        # One for all policies: whoever imports it keeps it.
        self._new_event_loop: Final = new_event_loop

    def in_force(self) -> Any:
        """Return the policy in force, ``None`` for asyncio's own way."""
        return self._policy if self._stands() else None

    def force(self, policy: Any) -> None:
        """Put ``policy`` in force; ``None``: the default one, or asyncio's own way."""
        if not self._stands():
            self._native = self._found()
        self._policy = self.default if policy is None else policy
        self._ours = None if self._policy is None else _Parts(_behind(self._policy), self._new_event_loop)
        _put(self._ours or self._native)

    def own(self) -> OwnWay:
        """Return asyncio's own way as a policy, over asyncio's own thread-local."""
        return self._own

    def after_fork(self) -> None:
        """Be there again: asyncio has put a fresh thread-local into ``_local``."""
        if self._ours is not None:
            self._parents.append(self._native.local)  # to drop a loop is to close it, and the parent has it open
            self._native = self._native._replace(local=_parts().local)
            _put(self._ours)

    def _stands(self) -> bool:
        return self._ours is not None and self._ours.local is _parts().local

    def _found(self) -> _Parts:
        """Return what somebody else has put in asyncio; what is ours there still is not."""
        found = _parts()
        ours = found.new_event_loop is self._new_event_loop
        return found._replace(new_event_loop=self._native.new_event_loop) if ours else found

    def _native_local(self) -> Any:
        return self._native.local if self._stands() else _parts().local


def _behind(policy: Any) -> CurrentLoop:
    # Its methods are looked up at each call: a policy may bind them anew.
    return CurrentLoop(lambda: policy.get_event_loop(), lambda loop: policy.set_event_loop(loop))
