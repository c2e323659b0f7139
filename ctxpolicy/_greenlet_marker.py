"""Keep asyncio's running marker and current task per greenlet.

asyncio keeps both per thread. A greenlet that runs a loop and switches away from inside it (a sync facade over an async
library) makes every other greenlet of the thread look as if a loop ran there. Here a trace hook takes the marker off at
each switch, keeps it with the greenlet that is left, and puts on that of the one that is entered.
"""

from __future__ import annotations

import gc
import threading
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import greenlet

from ctxpolicy._asyncio import enter_running, leave_running, running_loop

__all__ = ["start", "stop", "watch"]

_ATTRIBUTE: Final = "_ctxpolicy_running"
_Hook = Callable[[str, Any], object]


class _Users:
    """How many there are, in the whole process: they share one hook a thread, as two would undo each other's work."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.number = 0

    def change(self, by: int) -> None:
        with self.lock:
            self.number += by


class _Thread(threading.local):
    """This thread's hook that was there before ours, and those of its greenlets that are away from a running loop."""

    watched = False
    former: Any = None

    def __init__(self) -> None:
        self.away: weakref.WeakSet[Any] = weakref.WeakSet()  # PyPy drops such greenlets without a switch


_users: Final = _Users()
_thread: Final = _Thread()


def start() -> None:
    """Begin to keep the marker per greenlet: in this thread now, in each other one at its first :func:`watch`.

    A marker that stands here and is another greenlet's is taken off, and kept with that one.
    """
    _users.change(+1)
    watch()
    _give_back_marker()


def stop() -> None:
    """Undo one :func:`start`; the last one puts the hook back that was there: here at once, elsewhere at a switch.

    Greenlets that are away from a running loop are served until they are back in it: without its marker the loop that
    they are in could not go on.
    """
    _users.change(-1)
    _unwatch_if_idle()


def watch() -> None:
    """Watch this thread too, if there are users; the hook that was there goes on being called."""
    # No hook at all: greenlet removes one that raises, and somebody may have put None.
    if _users.number and (not _thread.watched or greenlet.gettrace() is None):
        _thread.former = greenlet.settrace(_on_switch)
        _thread.watched = True


def _unwatch_if_idle() -> None:
    # Where somebody has put a hook on top of ours since, ours stays beneath it and only passes on.
    if not _users.number and not _thread.away and greenlet.gettrace() is _on_switch:
        greenlet.settrace(_thread.former)
        _thread.watched, _thread.former = False, None


def _on_switch(event: str, args: Any) -> None:
    former = _thread.former
    if event in ("switch", "throw"):
        origin, target = args
        if _users.number or _thread.away or _ATTRIBUTE in vars(target):  # one that is dropped is in no weak set
            _leave(origin)
            _enter(target)
    _unwatch_if_idle()
    if former is not None:
        former(event, args)


def _leave(left: Any) -> None:
    state = leave_running()
    if state is not None:
        setattr(left, _ATTRIBUTE, state)
        _thread.away.add(left)


def _enter(entered: Any) -> None:
    state = vars(entered).pop(_ATTRIBUTE, None)
    if state is not None:
        _thread.away.discard(entered)
        enter_running(state)


def _give_back_marker() -> None:
    loop = running_loop()
    if loop is None:
        return
    owner = next((each for each in _others() if _is_inside(each.gr_frame, loop)), None)
    if owner is not None:
        _leave(owner)


def _others() -> list[Any]:
    # type(), not isinstance(): that would ask every proxy object alive for its __class__.
    return [thing for thing in gc.get_objects() if issubclass(type(thing), greenlet.greenlet) and thing.gr_frame]


def _is_inside(frame: FrameType | None, loop: AbstractEventLoop) -> bool:
    """Tell whether the suspended ``frame``, or one that has called it, runs ``loop``."""
    seen: set[FrameType] = set()
    while frame is not None and frame not in seen:  # on PyPy the frames of a suspended greenlet go round in a circle
        seen.add(frame)
        if frame.f_code.co_name == "run_forever" and frame.f_locals.get("self") is loop:
            return True
        frame = frame.f_back
    return False
