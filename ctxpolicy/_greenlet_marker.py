"""Keep asyncio's running marker and current task per greenlet.

asyncio keeps both per thread. A greenlet that runs a loop and switches away from inside it (a sync facade over an async
library) makes every other greenlet of the thread look as if a loop ran there. Here a trace hook takes the marker off at
each switch, keeps it with the greenlet that is left, and puts on that of the one that is entered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, final

import greenlet

from ctxpolicy._asyncio import enter_running, leave_running

__all__ = ["RunningMarker"]

_ATTRIBUTE: Final = "_ctxpolicy_running"
_Hook = Callable[[str, Any], object]


@final
class RunningMarker:
    """The hook, in each thread where :meth:`watch` was called, until :meth:`stop`."""

    def __init__(self) -> None:
        self._active = False
        self._thread = _Former()

    def start(self) -> None:
        """Begin, with this thread."""
        self._active = True
        self.watch()

    def watch(self) -> None:
        """Watch this thread too; the hook that was there goes on being called."""
        if self._active and not self._thread.watched:
            self._thread.watched = True
            self._thread.hook = greenlet.settrace(self._on_switch)

    def stop(self) -> None:
        """End. The hook that was there before is put back: here at once, in other threads at their next switch."""
        self._active = False
        self._unwatch()

    def _unwatch(self) -> None:
        # Where somebody has put a hook on top of ours since, ours stays beneath it and only passes on.
        if self._thread.watched and greenlet.gettrace() == self._on_switch:
            greenlet.settrace(self._thread.hook)
            self._thread.watched = False

    def _on_switch(self, event: str, args: Any) -> None:
        former = self._thread.hook
        if not self._active:
            self._unwatch()
        elif event in ("switch", "throw"):
            origin, target = args
            setattr(origin, _ATTRIBUTE, leave_running())
            enter_running(vars(target).pop(_ATTRIBUTE, None))
        if former is not None:
            former(event, args)


class _Former(threading.local):
    watched = False
    hook: _Hook | None = None
