"""Remove from this process the names that Python has on POSIX systems but not on Windows."""

from __future__ import annotations

import os
import signal
import socket
import sys
from types import ModuleType
from typing import Any, Final, NoReturn

__all__ = ["RemovedMethodError", "RemovedNameError", "remove"]

# os.getuid(), os.waitpid() with options and others stay: the standard library and pytest call them on Linux.
OS_NAMES: Final = ("fork", "forkpty", "register_at_fork")
SOCKET_NAMES: Final = ("AF_UNIX",)
# The names in `signal` on Windows, and SIGKILL, which the standard library's Popen.kill() sends on Linux.
SIGNALS_KEPT: Final = {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIGKILL", "SIG_DFL", "SIG_IGN"}
SIGNAL_FUNCTIONS: Final = (
    "alarm", "getitimer", "setitimer", "pause", "pthread_kill", "pthread_sigmask", "siginterrupt", "sigpending",
    "sigtimedwait", "sigwait", "sigwaitinfo",
)  # fmt: skip
CHILD_WATCHERS: Final = (
    "AbstractChildWatcher", "FastChildWatcher", "MultiLoopChildWatcher", "PidfdChildWatcher", "SafeChildWatcher",
    "ThreadedChildWatcher",
)  # fmt: skip
# Methods of loops that raise NotImplementedError on Windows (the last with a selector).
LOOP_METHODS: Final = (
    "add_signal_handler", "remove_signal_handler", "create_unix_connection", "create_unix_server",
    "_make_subprocess_transport",
)  # fmt: skip


class RemovedNameError(AttributeError):
    """A program used a name that was removed."""


class RemovedMethodError(NotImplementedError):
    """A program called a method that was removed."""


def remove() -> None:
    """Remove all these names. This cannot be undone."""
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # makes `import uvloop` fail
    _keep_socketpair()
    _remove_names(os, *OS_NAMES)
    _remove_names(socket, *SOCKET_NAMES)
    signals = [name for name in vars(signal) if name.startswith("SIG") and name not in SIGNALS_KEPT]
    _remove_names(signal, *signals, *SIGNAL_FUNCTIONS)
    import asyncio  # only now: asyncio looks for these names when it is imported

    _remove_names(asyncio, *CHILD_WATCHERS)
    _remove_methods(asyncio.SelectorEventLoop)
    if sys.version_info < (3, 14):
        _remove_child_watchers(asyncio)


def _keep_socketpair() -> None:
    """Let `socket.socketpair()` work: without AF_UNIX, Windows connects two internet sockets, and Linux fails."""
    family, make = socket.AF_UNIX, socket.socketpair
    socket.socketpair = lambda *args, **options: make(*(args or (family,)), **options)


def _remove_names(module: ModuleType, *names: str) -> None:
    removed = [name for name in names if name in vars(module)]
    for name in removed:
        delattr(module, name)
    if hasattr(module, "__all__"):
        module.__all__ = [name for name in module.__all__ if name not in removed]

    def missing(name: str) -> NoReturn:
        error = RemovedNameError if name in removed else AttributeError
        raise error(f"module {module.__name__!r} has no attribute {name!r}")

    module.__getattr__ = missing  # type: ignore[method-assign]


def _remove_methods(loop_class: Any) -> None:
    for name in LOOP_METHODS:

        def missing(*args: object, name: str = name, **options: object) -> NoReturn:
            raise RemovedMethodError(name)

        setattr(loop_class, name, missing)


def _remove_child_watchers(asyncio: Any) -> None:
    """Make the default policy one without child watchers."""

    class DefaultEventLoopPolicy(asyncio.events.BaseDefaultEventLoopPolicy):  # type: ignore[misc]
        _loop_factory = asyncio.SelectorEventLoop

    asyncio.DefaultEventLoopPolicy = asyncio.unix_events.DefaultEventLoopPolicy = DefaultEventLoopPolicy
