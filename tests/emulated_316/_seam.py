"""What ``asyncio.events`` consists of on Python 3.16 in the place of the policy system.

Nothing here is used where it stands: ``_reshape`` carries the code of these functions over into ``asyncio.events``,
where their global names (``_local`` above all, which others replace) are looked up at each call.
"""

from __future__ import annotations

import signal
import sys
import threading
from asyncio.events import AbstractEventLoop, _get_running_loop, _set_running_loop


class _Local(threading.local):
    """The current event loop of each thread: none until one is set."""

    __module__ = "asyncio.events"

    _loop: AbstractEventLoop | None = None


_local = _Local()


def _get_event_loop() -> AbstractEventLoop:
    """Return the loop that was set in this thread, whether or not another one runs.

    Raises:
        RuntimeError: none was set.
    """
    loop = _local._loop
    if loop is None:
        raise RuntimeError(f"There is no current event loop in thread {threading.current_thread().name!r}.")
    return loop


def get_event_loop() -> AbstractEventLoop:
    """Return the running loop, or else the one that was set in this thread.

    Raises:
        RuntimeError: there is neither.
    """
    running = _get_running_loop()
    return _get_event_loop() if running is None else running


def set_event_loop(loop: AbstractEventLoop | None) -> None:
    """Make ``loop`` the current one of this thread; ``None`` leaves it without.

    Raises:
        TypeError: it is not an event loop; the previous one stays.
    """
    if loop is not None and not isinstance(loop, AbstractEventLoop):
        raise TypeError(f"loop must be an instance of AbstractEventLoop or None, not '{type(loop).__name__}'")
    _local._loop = loop


def new_event_loop() -> AbstractEventLoop:
    """Return a new event loop of this platform's kind, without setting it."""
    if sys.platform == "win32":
        from asyncio import windows_events as platform_events
    else:
        from asyncio import unix_events as platform_events
    loop: AbstractEventLoop = vars(platform_events)["EventLoop"]()
    return loop


def on_fork() -> None:
    """Forget, in a forked child, the loops of the parent."""
    global _local  # noqa: PLW0603 - so does asyncio.events
    _local = _Local()
    _set_running_loop(None)
    signal.set_wakeup_fd(-1)
