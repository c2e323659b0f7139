"""The host of Python 3.16, which has no policies: the policy stands behind ``asyncio.events._local``.

On Python 3.16, ``asyncio.get_event_loop()`` returns ``asyncio.events._local._loop`` if no loop runs,
``set_event_loop()`` writes this attribute, and ``run``, ``Runner`` and all other callers get their loops from
``new_event_loop()``. Therefore an object with a ``_loop`` property takes the place of ``_local``, and a function that
asks the policy takes the place of ``new_event_loop``.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, events
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ctxpolicy._asyncio.policy_classes import CurrentLoop, NativeThreadLocal, NoPolicyDefault

__all__ = ["Host316"]


class _Attributes(NamedTuple):
    """The attributes of asyncio that a policy replaces."""

    local: Any
    new_event_loop: Callable[[], AbstractEventLoop]


def _present_attributes() -> _Attributes:
    return _Attributes(events._local, events.new_event_loop)  # type: ignore[attr-defined]  # private


def _assign(attributes: _Attributes) -> None:
    events._local = attributes.local  # type: ignore[attr-defined]  # private
    events.new_event_loop = asyncio.new_event_loop = attributes.new_event_loop


class Host316:
    """Puts a policy behind ``asyncio.events._local`` and ``new_event_loop``."""

    name = "asyncio.events._local"

    def __init__(self) -> None:
        self.default: Any = None
        self._policy: Any = None
        self._ours: _Attributes | None = None
        self._native = self._first = _present_attributes()
        self._of_parent: list[object] = []
        self._asyncio_policy = NoPolicyDefault()
        self._asyncio_policy._local = NativeThreadLocal(self._native_local)

        def new_event_loop() -> AbstractEventLoop:
            """Return a new event loop, made by the policy in force."""
            policy = self.in_force()
            make = self._first.new_event_loop if policy is None else policy.new_event_loop
            loop: AbstractEventLoop = make()
            return loop

        # One function for all policies, because a module that imports the function by name keeps it for good.
        self._new_event_loop: Final = new_event_loop

    def in_force(self) -> Any:
        """Return the policy in force, ``None`` for asyncio's own behaviour."""
        return self._policy if self._is_in_place() else None

    def force(self, policy: Any) -> None:
        """Put ``policy`` in force; ``None``: the default one, or asyncio's own behaviour."""
        if not self._is_in_place():
            self._native = self._present_without_ours()
        self._policy = self.default if policy is None else policy
        self._ours = None if self._policy is None else _Attributes(_local_over(self._policy), self._new_event_loop)
        _assign(self._ours or self._native)

    def asyncio_policy(self) -> NoPolicyDefault:
        """Return asyncio's own behaviour as a policy, over asyncio's own thread-local."""
        return self._asyncio_policy

    def after_fork(self) -> None:
        """Take the place of ``_local`` again: asyncio assigns a new thread-local to it in a forked child."""
        if self._ours is not None:
            self._of_parent.append(self._native.local)  # a dropped loop closes itself, but the parent uses these loops
            self._native = self._native._replace(local=_present_attributes().local)
            _assign(self._ours)

    def _is_in_place(self) -> bool:
        return self._ours is not None and self._ours.local is _present_attributes().local

    def _present_without_ours(self) -> _Attributes:
        """Return asyncio's present attributes, without the ones that this host assigned."""
        present = _present_attributes()
        if present.new_event_loop is not self._new_event_loop:
            return present
        return present._replace(new_event_loop=self._native.new_event_loop)

    def _native_local(self) -> Any:
        return self._native.local if self._is_in_place() else _present_attributes().local


def _local_over(policy: Any) -> CurrentLoop:
    # The methods are looked up at each call, because a policy may bind them anew.
    return CurrentLoop(lambda: policy.get_event_loop(), lambda loop: policy.set_event_loop(loop))
