"""The capabilities of this Python's asyncio: policies, child watchers, implicit creation, a default kind of loop."""

from __future__ import annotations

import os
import sys
from asyncio import AbstractEventLoop, coroutines, events
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from ctxpolicy._asyncio.policy_classes import DefaultEventLoopPolicy

if sys.version_info >= (3, 11):
    from asyncio import Runner
else:
    from ctxpolicy._asyncio.runner_310 import Runner


__all__ = [
    "CHILD_WATCHERS_WARN",
    "CREATES_IMPLICITLY",
    "CREATION_WARNS",
    "HAS_CHILD_WATCHERS",
    "HAS_POLICIES",
    "PolicyBase",
    "Runner",
    "debug_mode",
    "default_loop_factory",
    "platform_loop",
]


def _platform() -> ModuleType:
    if sys.platform == "win32":  # pragma: no cover - supported by design, not tested
        from asyncio import windows_events as events
    else:
        from asyncio import unix_events as events
    return events


def _default_policy_class() -> type | None:
    # From 3.14 on the public name warns, and a private name refers to the same class.
    module = _platform()
    found: type | None = getattr(module, "_DefaultEventLoopPolicy", None) or getattr(
        module, "DefaultEventLoopPolicy", None
    )
    return found


_DefaultPolicy: Final = _default_policy_class()


HAS_POLICIES: Final = _DefaultPolicy is not None and hasattr(events, "_event_loop_policy")


# Whether asyncio's default policy creates a loop in the main thread if none was ever set (up to 3.13).
CREATES_IMPLICITLY: Final[bool] = hasattr(getattr(_DefaultPolicy, "_Local", None), "_set_called")


# Whether a policy warns when it creates a loop implicitly.
CREATION_WARNS: Final[bool] = sys.version_info >= (3, 12)


# Whether there are child watchers (up to 3.13): set_event_loop() in the main thread attaches the watcher to the loop.
HAS_CHILD_WATCHERS: Final[bool] = hasattr(_DefaultPolicy, "_init_watcher")


CHILD_WATCHERS_WARN: Final[bool] = HAS_CHILD_WATCHERS and sys.version_info >= (3, 12)


# The key in the dictionary behind os.environ, whose keys are bytes on Unix.
_DEBUG_VARIABLE: Final = os.environ.encodekey("PYTHONASYNCIODEBUG")


if TYPE_CHECKING:
    if sys.version_info >= (3, 16):
        _Base = DefaultEventLoopPolicy
    elif sys.version_info >= (3, 14):
        _Base = events._BaseDefaultEventLoopPolicy
    else:
        _Base = events.BaseDefaultEventLoopPolicy

    class PolicyBase(_Base):
        """The base class of our policies: asyncio's default policy class, or a copy where asyncio has none.

        This class makes asyncio.set_event_loop_policy(), and every other function that takes a policy, accept ours.
        """

        _watcher: Any
        get_child_watcher: Any  # a method, which an instance may replace

        def _loop_factory(self) -> AbstractEventLoop: ...
        def set_child_watcher(self, watcher: Any) -> None: ...

elif HAS_POLICIES:
    PolicyBase = _DefaultPolicy

else:
    PolicyBase = DefaultEventLoopPolicy


def default_loop_factory() -> Callable[[], AbstractEventLoop]:
    """Return the class of this platform's default loops (``asyncio.SelectorEventLoop`` on Unix)."""
    factory: Any = PolicyBase._loop_factory
    return factory  # type: ignore[no-any-return]  # typeshed declares a method


def platform_loop() -> AbstractEventLoop:
    """Return a new loop of this platform's default kind."""
    return default_loop_factory()()


def debug_mode() -> bool:
    """Return whether asyncio's debug mode is on, by ``PYTHONASYNCIODEBUG`` or ``-X dev``.

    Every lease calls this. If the variable is not set, ``os.environ.get()`` takes 0.7 us, because it raises and catches
    two exceptions in Python code. A look-up in the dictionary behind ``os.environ`` takes a tenth of that.
    """
    variables = getattr(os.environ, "_data", None)
    if variables is not None and _DEBUG_VARIABLE not in variables and not sys.flags.dev_mode:
        return False
    return coroutines._is_debug_mode()  # type: ignore[attr-defined, no-any-return]  # private
