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

from ctxpolicy._asyncio.running import restore_running_loop, running_loop, unset_running_loop

__all__ = ["start", "stop", "track"]

_ATTRIBUTE: Final = "_ctxpolicy_running"
_STATE: Final = "_ctxpolicy_watch"
_Hook = Callable[[str, Any], object]


class _Users:
    """How many there are, in the whole process: they share one hook a thread, as two would undo each other's work."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.number = 0

    def change(self, by: int) -> None:
        with self.lock:
            self.number += by


class _Thread:
    """A thread's hook that was there before ours, and those of its greenlets that are away from a running loop."""

    __slots__ = ("away", "previous", "watched")

    def __init__(self) -> None:
        self.watched = False
        self.previous: Any = None
        self.away: weakref.WeakSet[Any] = weakref.WeakSet()  # PyPy drops such greenlets without a switch

    @staticmethod
    def present() -> _Thread:
        """Return that of the present thread, kept with its main greenlet.

        Not a threading.local: gevent makes that one a greenlet's own, and the hook and the marker are the thread's.
        """
        main = greenlet.getcurrent()
        while main.parent is not None:
            main = main.parent
        kept: _Thread | None = vars(main).get(_STATE)
        if kept is None:
            kept = vars(main)[_STATE] = _Thread()
        return kept


_users: Final = _Users()


def start() -> None:
    """Begin to keep the marker per greenlet: in this thread now, in each other one at its first :func:`track`.

    A marker that stands here and is another greenlet's is taken off, and kept with that one.
    """
    _users.change(+1)
    track()
    _give_back_marker()


def stop() -> None:
    """Undo one :func:`start`; the last one puts the hook back that was there: here at once, elsewhere at a switch.

    Greenlets that are away from a running loop are served until they are back in it: without its marker the loop that
    they are in could not go on.
    """
    _users.change(-1)
    _unwatch_if_idle(_Thread.present())


def track() -> None:
    """Watch this thread too, if there are users; the hook that was there goes on being called."""
    hook = greenlet.gettrace()
    if not _users.number or hook is _on_switch:
        return
    thread = _Thread.present()
    # No hook at all: greenlet removes one that raises, and somebody may have put None.
    if not thread.watched or hook is None:
        thread.previous = greenlet.settrace(_on_switch)
        thread.watched = True


def _unwatch_if_idle(thread: _Thread) -> None:
    # Where somebody has put a hook on top of ours since, ours stays beneath it and only passes on.
    if not _users.number and not thread.away and greenlet.gettrace() is _on_switch:
        greenlet.settrace(thread.previous)
        thread.watched, thread.previous = False, None


def _on_switch(event: str, args: Any) -> None:
    thread = _Thread.present()
    previous = thread.previous
    if event in ("switch", "throw"):
        origin, target = args
        if _users.number or thread.away or _ATTRIBUTE in vars(target):  # one that is dropped is in no weak set
            _leave(thread, origin)
            _enter(thread, target)
    _unwatch_if_idle(thread)
    if previous is not None:
        previous(event, args)


def _leave(thread: _Thread, left: Any) -> None:
    state = unset_running_loop()
    if state is not None:
        setattr(left, _ATTRIBUTE, state)
        thread.away.add(left)


def _enter(thread: _Thread, entered: Any) -> None:
    state = vars(entered).pop(_ATTRIBUTE, None)
    if state is not None:
        thread.away.discard(entered)
        restore_running_loop(state)


def _give_back_marker() -> None:
    loop = running_loop()
    if loop is None:
        return
    owner = next((each for each in _others() if _is_inside(each.gr_frame, loop)), None)
    if owner is not None:
        _leave(_Thread.present(), owner)


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
