"""The policy that is in force while ``using`` blocks are open and no ``ContextPolicy`` is installed."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

from ctxpolicy._asyncio.capabilities import HAS_CHILD_WATCHERS
from ctxpolicy._asyncio.host import Policy
from ctxpolicy._asyncio.other_policies import (
    child_watcher_of,
    current_loop_getter,
    current_loop_of,
    handles_missing_like_asyncio,
    note_loop_set,
    was_loop_set,
)
from ctxpolicy._policy import override
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._threads import thread_name
from ctxpolicy.resolvers._bindings import Bindings, WrappedBindings
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["PassThroughPolicy"]


class PassThroughPolicy(ContextPolicy):
    """Asks the overriding resolver inside ``using`` blocks, and passes every other call on to the previous policy.

    Args:
        previous: the previous policy.
    """

    def __init__(self, previous: Policy) -> None:
        self._previous: Any = previous
        like_asyncio = handles_missing_like_asyncio(previous)
        super().__init__(_AsyncioResolver(previous) if like_asyncio else _ForwardingResolver(previous))
        if HAS_CHILD_WATCHERS:
            # The methods themselves, not wrappers. From 3.12 on the methods attribute their warning to their caller,
            # which would be the wrapper.
            self.get_child_watcher = previous.get_child_watcher  # type: ignore[attr-defined]  # up to 3.13
            self.set_child_watcher = previous.set_child_watcher  # type: ignore[method-assign, attr-defined]  # likewise

    @property
    def previous(self) -> Policy:
        """The previous policy."""
        return self._previous  # type: ignore[no-any-return]  # any object that was set as a policy

    def borrow_watcher(self, previous: Any) -> None:
        """Leave the child watcher to the previous policy, whose methods for it this policy uses."""

    @property
    def _watcher(self) -> Any:
        # In a using block, set_event_loop() attaches this watcher. Outside of blocks, the previous policy attaches it.
        return None if override.overriding_resolver() is None else child_watcher_of(self._previous)

    @_watcher.setter
    def _watcher(self, watcher: Any) -> None:
        pass  # asyncio's __init__ assigns None

    def __repr__(self) -> str:
        return f"<the policy of using() over {self._previous!r}>"


class _ForwardingResolver(ContextResolver):
    """The contexts of a policy that is not a ``ContextPolicy``."""

    def __init__(self, policy: Any) -> None:
        self.policy = policy

    def get(self) -> AbstractEventLoop | None:
        return current_loop_of(self.policy)

    def set(self, loop: AbstractEventLoop | None) -> None:
        self.policy.set_event_loop(loop)

    def getter(self, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
        def get_event_loop() -> AbstractEventLoop:
            loop: AbstractEventLoop = self.policy.get_event_loop()
            return loop

        return get_event_loop

    @property
    def bindings(self) -> Bindings:
        return _ForwardingBindings(super().bindings, self)

    def describe(self) -> str:
        return f"the present context of {self.policy!r}"


class _AsyncioResolver(_ForwardingResolver):
    """The threads of asyncio's own policy. The pass-through policy handles a missing loop as asyncio's policy does.

    asyncio's policy itself is not called for it, because on 3.12 and 3.13 its warning would name a line of ctxpolicy.
    """

    def getter(self, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
        return current_loop_getter(self.policy, miss)

    def describe(self) -> str:
        return f"thread {thread_name()}"

    @property
    def bindings(self) -> Bindings:
        return _AsyncioBindings(super().bindings, self)


class _ForwardingBindings(WrappedBindings):
    """Sets loops with the policy's own method, which also records that a loop was set."""

    def __init__(self, inner: Bindings, resolver: _ForwardingResolver) -> None:
        super().__init__(inner)
        self._resolver = resolver

    def bind(self, loop: AbstractEventLoop | None) -> None:
        self._resolver.set(loop)


class _AsyncioBindings(_ForwardingBindings):
    """Reads and writes the record of asyncio's policy that a loop was set."""

    def note_set(self) -> None:
        note_loop_set(self._resolver.policy)

    def was_set(self) -> bool:
        return was_loop_set(self._resolver.policy)
