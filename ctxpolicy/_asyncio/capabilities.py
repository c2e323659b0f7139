"""What the asyncio of this Python has: policies, child watchers, a default kind of loop."""

from __future__ import annotations

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
        from asyncio import windows_events

        return windows_events
    from asyncio import unix_events

    return unix_events


def _default_policy_class() -> type | None:
    # From 3.14 on the public name warns, and the same class lives under a private one.
    module = _platform()
    found: type | None = getattr(module, "_DefaultEventLoopPolicy", None) or getattr(
        module, "DefaultEventLoopPolicy", None
    )
    return found


_DefaultPolicy: Final = _default_policy_class()


HAS_POLICIES: Final = _DefaultPolicy is not None and hasattr(events, "_event_loop_policy")


# Does asyncio's default policy make a loop where none was ever set, in the main thread (up to 3.13)?
CREATES_IMPLICITLY: Final[bool] = hasattr(getattr(_DefaultPolicy, "_Local", None), "_set_called")


# Does a policy that makes one warn?
CREATION_WARNS: Final[bool] = sys.version_info >= (3, 12)


# Child watchers (up to 3.13): set_event_loop() in the main thread attaches the one in use.
HAS_CHILD_WATCHERS: Final[bool] = hasattr(_DefaultPolicy, "_init_watcher")


CHILD_WATCHERS_WARN: Final[bool] = HAS_CHILD_WATCHERS and sys.version_info >= (3, 12)


if TYPE_CHECKING:
    if sys.version_info >= (3, 16):
        _Base = DefaultEventLoopPolicy
    elif sys.version_info >= (3, 14):
        _Base = events._BaseDefaultEventLoopPolicy
    else:
        _Base = events.BaseDefaultEventLoopPolicy

    class PolicyBase(_Base):
        """What our policies derive from: asyncio's default policy class, or where there is none, one like it.

        So asyncio.set_event_loop_policy(), and whatever else is declared to take a policy, takes ours.
        """

        _watcher: Any
        get_child_watcher: Any  # a method, which an instance may have for itself

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
    """Make a loop of this platform's default kind."""
    return default_loop_factory()()


def debug_mode() -> bool:
    """Tell whether asyncio's debug mode is asked for: by ``PYTHONASYNCIODEBUG`` or ``-X dev``."""
    return coroutines._is_debug_mode()  # type: ignore[attr-defined, no-any-return]
