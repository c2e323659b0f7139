"""The policy that is in force while ``using`` blocks are open where no policy of ours is installed."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

from ctxpolicy._asyncio.capabilities import HAS_CHILD_WATCHERS
from ctxpolicy._asyncio.host import Policy
from ctxpolicy._asyncio.other_policies import is_own_way
from ctxpolicy._policy import override
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._threads import thread_name
from ctxpolicy.resolvers._bindings import Bindings, WrappedBindings
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["DispatchPolicy"]


class DispatchPolicy(ContextPolicy):
    """Answers for the chosen resolver inside ``using`` blocks, and passes all else on to the policy that was there.

    Args:
        former: that policy.
    """

    def __init__(self, former: Policy) -> None:
        self._former: Any = former
        super().__init__(_AsynciosResolver(former) if is_own_way(former) else _ForwardingResolver(former))
        self.scope()
        if HAS_CHILD_WATCHERS:
            # The methods themselves: from 3.12 on they blame their warning on whoever calls them.
            self.get_child_watcher = former.get_child_watcher  # type: ignore[attr-defined]
            self.set_child_watcher = former.set_child_watcher  # type: ignore[method-assign, attr-defined]

    @property
    def former(self) -> Policy:
        """The policy that was there."""
        return self._former  # type: ignore[no-any-return]

    def borrow_watcher(self, former: Any) -> None:
        """Leave the child watcher where it is; this policy has the former one's methods for it."""

    @property
    def _watcher(self) -> Any:
        # What set_event_loop() attaches in a using block; outside of any, the former policy's own attaches it.
        return None if override.chosen() is None else getattr(self._former, "_watcher", None)

    @_watcher.setter
    def _watcher(self, watcher: Any) -> None:
        pass  # asyncio's __init__ says that there is none

    def __repr__(self) -> str:
        return f"<the policy of using() over {self._former!r}>"


class _ForwardingResolver(ContextResolver):
    """The contexts of somebody else's policy."""

    def __init__(self, policy: Any) -> None:
        self._policy = policy

    def get(self) -> AbstractEventLoop | None:
        # A policy has no way to ask without making: this is where most keep it.
        loop: AbstractEventLoop | None = getattr(getattr(self._policy, "_local", None), "_loop", None)
        return loop

    def set(self, loop: AbstractEventLoop | None) -> None:
        self._policy.set_event_loop(loop)

    def getter(self, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
        def get_event_loop() -> AbstractEventLoop:
            loop: AbstractEventLoop = self._policy.get_event_loop()
            return loop

        return get_event_loop

    @property
    def bindings(self) -> Bindings:
        return _ForwardingBindings(super().bindings, self)

    def describe(self) -> str:
        return f"the present context of {self._policy!r}"


class _AsynciosResolver(_ForwardingResolver):
    """The threads of asyncio's own policy; what is done where a loop is missing is left to ours, which does the same.

    Asked itself, asyncio's policy would blame the warning of 3.12 and 3.13 on the frame of ours that asks.
    """

    def getter(self, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
        policy = self._policy

        def get_event_loop() -> AbstractEventLoop:
            loop: AbstractEventLoop | None = policy._local._loop  # read anew: asyncio replaces _local after a fork
            return miss() if loop is None else loop

        return get_event_loop

    def describe(self) -> str:
        return f"thread {thread_name()}"

    @property
    def bindings(self) -> Bindings:
        return _AsynciosBindings(super().bindings, self)

    def note_set(self) -> None:
        self._policy._local._set_called = True

    def was_set(self) -> bool:
        return bool(getattr(self._policy._local, "_set_called", True))


class _ForwardingBindings(WrappedBindings):
    def __init__(self, inner: Bindings, resolver: ContextResolver) -> None:
        super().__init__(inner)
        self._resolver = resolver

    def bind(self, loop: AbstractEventLoop | None) -> None:
        self._resolver.set(loop)


class _AsynciosBindings(_ForwardingBindings):
    _resolver: _AsynciosResolver

    def note_set(self) -> None:
        self._resolver.note_set()

    def was_set(self) -> bool:
        return self._resolver.was_set()
