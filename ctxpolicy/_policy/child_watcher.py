"""The part of a policy that is about child processes, on Python 3.10 to 3.13: the child watcher."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, final

from ctxpolicy._asyncio.capabilities import CHILD_WATCHERS_WARN, HAS_CHILD_WATCHERS, PolicyBase
from ctxpolicy._threads import is_main_thread

if TYPE_CHECKING:
    from ctxpolicy._policy.core import PolicyCore

__all__ = ["Watch", "WatchingPolicy"]


@final
class Watch:
    """The child watcher in use, apart from the policy that has it.

    Attributes:
        watcher: the watcher, ``None`` where there is none.
    """

    __slots__ = ("watcher",)

    def __init__(self) -> None:
        self.watcher: Any = None

    def attaching(self, set_loop: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return ``set_loop``, which also attaches a watcher in use to the loop, in the main thread."""
        if self.watcher is None:
            return set_loop

        def set_event_loop(loop: Any) -> None:
            set_loop(loop)
            _attach(self.watcher, loop)

        return set_event_loop


class WatchingPolicy(PolicyBase):
    """Has a child watcher as asyncio's default policy has; it may be lent by the policy that this one replaces."""

    _lent_watcher: Any = None
    _core: PolicyCore
    _bind_methods: Callable[[], None]

    # asyncio's own code assigns to it. Without a watcher the policy's set_event_loop() has no part in it, and one frame
    # less: 1.26 times what asyncio's own takes in place of 1.50 on 3.12, 1.21 in place of 1.32 on 3.13.
    @property
    def _watcher(self) -> Any:
        return self._core.watch.watcher

    @_watcher.setter
    def _watcher(self, watcher: Any) -> None:
        watch = self._core.watch
        comes_or_goes = (watcher is None) is not (watch.watcher is None)
        watch.watcher = watcher
        if comes_or_goes:
            self._bind_methods()

    def borrow_watcher(self, previous: Any) -> None:
        """Use the watcher of ``previous`` where this policy has none of its own."""
        if self._watcher is None:
            self._watcher = self._lent_watcher = getattr(previous, "_watcher", None)

    def return_watcher(self, previous: Any) -> None:
        """Attach a borrowed watcher to the loop of ``previous`` again; only possible in the main thread."""
        loop = getattr(getattr(previous, "_local", None), "_loop", None)
        if self._lent_watcher is not None and loop is not None and is_main_thread() and not loop.is_closed():
            self._lent_watcher.attach_loop(loop)

    if HAS_CHILD_WATCHERS:

        def set_child_watcher(self, watcher: Any) -> None:
            """Set the watcher for child processes."""
            # Not by asyncio's method. It closes the previous watcher, which may be lent; and from 3.12 on it attributes
            # its warning to its caller, which would be this line.
            abstract: Any = vars(asyncio)["AbstractChildWatcher"]  # not there from 3.14 on
            assert watcher is None or isinstance(watcher, abstract)
            if self._watcher is not None and self._watcher is not self._lent_watcher:
                self._watcher.close()
            self._watcher = watcher
            if CHILD_WATCHERS_WARN:
                message = "'set_child_watcher' is deprecated as of Python 3.12 and will be removed in Python 3.14."
                warnings.warn(message, DeprecationWarning, stacklevel=2)

    def _attach(self, loop: Any) -> None:
        _attach(self._watcher, loop)


def _attach(watcher: Any, loop: Any) -> None:
    if watcher is not None and is_main_thread():
        watcher.attach_loop(loop)
