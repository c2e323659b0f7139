"""The hosts: how a policy is hooked into this Python's asyncio.

This module, :mod:`ctxpolicy._seam` and :mod:`ctxpolicy._inside` are the only ones that know Python versions and
asyncio's private names. What is done is chosen by what asyncio offers, not by the version alone:

* asyncio has policies (Python 3.10 to 3.15): a policy is set as asyncio's own, without the warnings of 3.14.
* asyncio has none (3.16): the policy stands behind ``asyncio.events._local`` and ``new_event_loop``.
* asyncio has neither: nothing can be installed, and an error says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from asyncio import AbstractEventLoop, coroutines, events, tasks
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Protocol

from ctxpolicy._inside import leftovers
from ctxpolicy._seam import DefaultEventLoopPolicy, NativeLocal, OwnWay, SeamHost
from ctxpolicy.errors import InstallationError

if sys.version_info >= (3, 11):
    from asyncio import Runner
else:
    from ctxpolicy._runner310 import Runner

__all__ = [
    "CHILD_WATCHERS_WARN",
    "CREATES_IMPLICITLY",
    "CREATION_WARNS",
    "HAS_CHILD_WATCHERS",
    "PolicyBase",
    "Runner",
    "Running",
    "current_task",
    "debug_mode",
    "decides_as_asyncio",
    "enter_running",
    "forget_after_fork",
    "host",
    "is_asyncios_own",
    "is_own_way",
    "kept_loop",
    "leave_running",
    "platform_loop",
    "running_loop",
    "shut_down",
    "stepped_out",
    "would_create",
]


class Policy(Protocol):
    """What asyncio asks for loops."""

    def get_event_loop(self) -> AbstractEventLoop: ...
    def set_event_loop(self, loop: AbstractEventLoop | None) -> None: ...
    def new_event_loop(self) -> AbstractEventLoop: ...


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
_HAS_POLICIES: Final = _DefaultPolicy is not None and hasattr(events, "_event_loop_policy")

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

elif _HAS_POLICIES:
    PolicyBase = _DefaultPolicy

else:
    PolicyBase = DefaultEventLoopPolicy

_OwnWay: Final = PolicyBase if _HAS_POLICIES else OwnWay


def platform_loop() -> AbstractEventLoop:
    """Make a loop of this platform's default kind."""
    loop: AbstractEventLoop = PolicyBase._loop_factory()  # type: ignore[call-arg]  # a class, in truth
    return loop


def is_asyncios_own(policy: object) -> bool:
    """Tell whether ``policy`` is asyncio's default one (``None``: not made yet) or compat's, no subclass of it."""
    return policy is None or type(policy) in (PolicyBase, _OwnWay)


def is_own_way(policy: object) -> bool:
    """Tell whether ``policy`` does about a missing loop what asyncio of this Python does by itself."""
    return type(policy) is _OwnWay or (_HAS_POLICIES and _inherits_from_asyncio(policy))


def forget_after_fork(policy: Any) -> object:
    """Have ``policy`` forget the loops of the parent, as asyncio has the policy in force do in a forked child (3.12).

    Returns:
        where it kept them.
    """
    kept: object = getattr(policy, "_local", None)
    if isinstance(kept, NativeLocal):
        return None  # which asyncio has made anew
    if kept is not None and hasattr(events, "on_fork"):
        policy._local = PolicyBase._Local()  # type: ignore[attr-defined]
    return kept


def decides_as_asyncio(policy: Any) -> bool:
    """Tell whether ``policy`` answers ``get_event_loop`` as asyncio's default one (``None``: not made yet) does.

    uvloop's does from 0.22 on: it has a copy of what asyncio 3.14 does.
    """
    return policy is None or _inherits_from_asyncio(policy) or _getter(policy).__module__ == "uvloop"


def _inherits_from_asyncio(policy: Any) -> bool:
    return _getter(policy) is PolicyBase.get_event_loop


def _getter(policy: Any) -> Any:
    return getattr(policy.get_event_loop, "__func__", policy.get_event_loop)


def kept_loop(policy: Any) -> AbstractEventLoop | None:
    """Return the loop that such a policy keeps for this thread; other policies mostly keep it in the same place."""
    local = getattr(events if policy is None else policy, "_local", None)
    loop: AbstractEventLoop | None = getattr(local, "_loop", None)
    return loop


def would_create(policy: Any) -> bool:
    """Tell whether such a policy would make a loop if it keeps none for this thread."""
    # Where asyncio has no policies, what is inherited is that of 3.13.
    creates = CREATES_IMPLICITLY if policy is None or is_own_way(policy) else _inherits_from_asyncio(policy)
    called = getattr(getattr(policy, "_local", None), "_set_called", False)
    return creates and not called and threading.get_ident() == threading.main_thread().ident


def current_task() -> asyncio.Task[Any] | None:
    """Return the task that runs in this thread, ``None`` outside any."""
    loop = running_loop()
    return None if loop is None else tasks.current_task(loop)


def running_loop() -> AbstractEventLoop | None:
    """Return the loop that runs in this thread, ``None`` where none does."""
    return events._get_running_loop()


# What leave_running() takes off.
Running = tuple[AbstractEventLoop, "asyncio.Task[Any] | None"]


def leave_running() -> Running | None:
    """Make this thread look as if no loop ran in it; return what :func:`enter_running` needs to undo that."""
    loop = running_loop()
    if loop is None:
        return None
    task = tasks.current_task(loop)
    # In this order: from 3.14 on the current task belongs to the thread, and is left only while its loop runs.
    if task is not None:
        tasks._leave_task(loop, task)
    events._set_running_loop(None)
    return loop, task


def enter_running(state: Running | None) -> None:
    """Undo :func:`leave_running`."""
    if state is not None:
        loop, task = state
        events._set_running_loop(loop)
        if task is not None:
            tasks._enter_task(loop, task)


@contextlib.contextmanager
def stepped_out() -> Iterator[None]:
    """Let another loop run in this thread for the block: the running loop and its task are left, and entered again."""
    wakeup_fd = _wakeup_fd()
    state = leave_running()
    try:
        yield
    finally:
        enter_running(state)
        if wakeup_fd != _wakeup_fd():
            signal.set_wakeup_fd(wakeup_fd, warn_on_full_buffer=False)  # a uvloop takes it away at its end


def _wakeup_fd() -> int:
    """Return the file descriptor that signals are written to, -1 for none and where it cannot be asked for."""
    if threading.current_thread() is not threading.main_thread():
        return -1
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    return fd


def shut_down(loop: AbstractEventLoop) -> None:
    """Do to ``loop`` what ``asyncio.Runner`` does at its end, and close it.

    Its tasks are cancelled (what they raise is reported), its asynchronous generators and default executor shut down,
    and what is ready meanwhile is done: a transport that was told to close closes its socket. Where another loop
    runs in this thread, that one stands still meanwhile.
    """
    if loop.is_closed():
        return
    if not leftovers(loop, unknown=True):
        loop.close()
        return
    with stepped_out():
        runner = Runner(loop_factory=lambda: loop)
        runner.get_loop()
        runner.close()


def debug_mode() -> bool:
    """Tell whether asyncio's debug mode is asked for: by ``PYTHONASYNCIODEBUG`` or ``-X dev``."""
    return coroutines._is_debug_mode()  # type: ignore[attr-defined, no-any-return]


class Host(Protocol):
    """Puts a policy in force, process-wide."""

    name: str
    # What force(None) puts in force: None for what asyncio does by itself.
    default: Policy | None

    def in_force(self) -> Policy | None:
        """Return the policy in force; ``None``: asyncio's default, which may not be made yet."""

    def force(self, policy: Policy | None) -> None:
        """Put ``policy`` in force; ``None``: asyncio's default."""

    # Returns asyncio's default policy, made now if need be.
    def own(self) -> Policy: ...

    def after_fork(self) -> None:
        """Be in force again in a forked child."""


class _PolicyHost:
    """Python 3.10 to 3.15. Not by asyncio's own functions: from 3.14 on they warn, and they make what is not there."""

    name = "asyncio's policy system"
    default: Policy | None = None

    def in_force(self) -> Policy | None:
        policy: Policy | None = events._event_loop_policy  # type: ignore[attr-defined]
        return policy

    def force(self, policy: Policy | None) -> None:
        events._event_loop_policy = policy  # type: ignore[attr-defined]

    def own(self) -> Policy:
        if events._event_loop_policy is None:  # type: ignore[attr-defined]
            events._init_event_loop_policy()  # type: ignore[attr-defined]
        policy: Policy = events._event_loop_policy  # type: ignore[attr-defined]
        return policy

    def after_fork(self) -> None:
        pass


class _NoHost:
    """An asyncio that offers neither: programs that only import ctxpolicy go on."""

    name = "none"
    default: Policy | None = None

    def in_force(self) -> Policy | None:
        return None

    def force(self, policy: Policy | None) -> None:
        raise InstallationError(
            f"asyncio of Python {sys.version.split()[0]} has neither event loop policies nor asyncio.events._local: "
            "this version of ctxpolicy cannot be installed on it. Look for a newer ctxpolicy."
        )

    def own(self) -> Policy:
        return PolicyBase()

    def after_fork(self) -> None:
        pass


def _find_host() -> Host:
    if _HAS_POLICIES:
        return _PolicyHost()
    if hasattr(events, "_local") and hasattr(events, "_get_event_loop"):
        return SeamHost()
    return _NoHost()


host: Final[Host] = _find_host()
