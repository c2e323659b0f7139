"""The functions that ``asyncio.events`` has on Python 3.16 in place of the policy system.

The functions are not called in this module. ``_reshape`` copies their code into ``asyncio.events``, where their global
names (above all ``_local``, which others replace) are looked up at each call.
"""

from __future__ import annotations

import signal
import sys
import threading
from asyncio.events import AbstractEventLoop, _get_running_loop, _set_running_loop


class _Local(threading.local):
    """The current event loop of each thread; ``None`` until one is set."""

    __module__ = "asyncio.events"

    _loop: AbstractEventLoop | None = None


_local = _Local()


def _get_event_loop() -> AbstractEventLoop:
    """Return the loop that was set in this thread, even if another loop is running.

    Raises:
        RuntimeError: no loop was set.
    """
    loop = _local._loop
    if loop is None:
        raise RuntimeError(f"There is no current event loop in thread {threading.current_thread().name!r}.")
    return loop


def get_event_loop() -> AbstractEventLoop:
    """Return the running loop or, if no loop is running, the loop that was set in this thread.

    Raises:
        RuntimeError: no loop is running, and none was set.
    """
    running = _get_running_loop()
    return _get_event_loop() if running is None else running


def set_event_loop(loop: AbstractEventLoop | None) -> None:
    """Set the current loop of this thread; ``None`` removes it.

    Raises:
        TypeError: ``loop`` is not an event loop; the previous loop stays.
    """
    if loop is not None and not isinstance(loop, AbstractEventLoop):
        raise TypeError(f"loop must be an instance of AbstractEventLoop or None, not '{type(loop).__name__}'")
    _local._loop = loop


def new_event_loop() -> AbstractEventLoop:
    """Return a new event loop of this platform's default kind, without setting it."""
    if sys.platform == "win32":
        from asyncio import windows_events as platform_events
    else:
        from asyncio import unix_events as platform_events
    loop: AbstractEventLoop = vars(platform_events)["EventLoop"]()
    return loop


def on_fork() -> None:
    """Forget the loops of the parent; called in a forked child."""
    global _local  # noqa: PLW0603 - asyncio.events does the same
    _local = _Local()
    _set_running_loop(None)
    signal.set_wakeup_fd(-1)
