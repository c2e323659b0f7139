"""The host of Python 3.16, which has no policies: the policy stands behind ``asyncio.events._local``.

There ``asyncio.get_event_loop()`` ends in ``asyncio.events._local._loop`` where no loop runs, ``set_event_loop()``
writes it, and ``run``, ``Runner`` and everybody else get their loops from ``new_event_loop()``. So an object with a
``_loop`` property takes the place of ``_local``, and the policy's method that of ``new_event_loop``.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, events
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ctxpolicy._asyncio.policy_classes import CurrentLoop, NativeThreadLocal, NoPolicyDefault

__all__ = ["Host316"]


class _Parts(NamedTuple):
    """The two parts of asyncio that a policy takes the place of."""

    local: Any
    new_event_loop: Callable[[], AbstractEventLoop]


def _parts() -> _Parts:
    return _Parts(events._local, events.new_event_loop)  # type: ignore[attr-defined]


def _put(parts: _Parts) -> None:
    events._local = parts.local  # type: ignore[attr-defined]
    events.new_event_loop = asyncio.new_event_loop = parts.new_event_loop


class Host316:
    """Puts a policy behind ``asyncio.events._local`` and ``new_event_loop``."""

    name = "asyncio.events._local"

    def __init__(self) -> None:
        self.default: Any = None
        self._policy: Any = None
        self._ours: _Parts | None = None
        self._native = self._first = _parts()
        self._parents: list[object] = []
        self._own = NoPolicyDefault()
        self._own._local = NativeThreadLocal(self._native_local)

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

    def asyncio_policy(self) -> NoPolicyDefault:
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
