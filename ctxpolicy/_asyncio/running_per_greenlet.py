"""Keeps asyncio's running loop and current task per greenlet.

asyncio keeps both per thread. When a greenlet runs a loop and switches away from inside the loop (a sync facade over an
async library does), the loop seems to run in every other greenlet of the thread. Therefore a trace hook unsets both at
each switch, stores them with the greenlet that is left, and restores those of the greenlet that is entered.
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
_STATE: Final = "_ctxpolicy_thread"
_Hook = Callable[[str, Any], object]


class _Users:
    """The number of users in the process. They share one hook per thread, because two hooks would undo each other."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.number = 0

    def change(self, by: int) -> None:
        with self.lock:
            self.number += by


class _Thread:
    """The state of one thread.

    Attributes:
        hooked: whether our hook is installed in the thread.
        previous: the hook that was installed before ours.
        away: the greenlets that have switched away from a running loop. Held weakly, because PyPy drops such greenlets
            without a switch.
    """

    __slots__ = ("away", "hooked", "previous")

    def __init__(self) -> None:
        self.hooked = False
        self.previous: Any = None
        self.away: weakref.WeakSet[Any] = weakref.WeakSet()

    @staticmethod
    def present() -> _Thread:
        """Return the object of the present thread, which is stored with the thread's main greenlet.

        A ``threading.local`` would not do: gevent makes it per greenlet, but the hook and the running loop are per
        thread.
        """
        main = greenlet.getcurrent()
        while main.parent is not None:
            main = main.parent
        thread: _Thread | None = vars(main).get(_STATE)
        if thread is None:
            thread = vars(main)[_STATE] = _Thread()
        return thread


_users: Final = _Users()


def start() -> None:
    """Start to keep the running loop per greenlet: in this thread now, in another thread at its first :func:`track`.

    If the running loop of this thread belongs to another greenlet, it is unset here and stored with that greenlet.
    """
    _users.change(+1)
    track()
    _return_running_loop()


def stop() -> None:
    """Undo one :func:`start`.

    The last call restores the previous hook: in this thread at once, in another thread at its next switch. A greenlet
    that is away from a running loop is served until it is back, because the loop cannot continue while it is unset.
    """
    _users.change(-1)
    _unhook_if_unused(_Thread.present())


def track() -> None:
    """Install the hook in this thread, if there are users. The hook calls the previous hook."""
    hook = greenlet.gettrace()
    if not _users.number or hook is _on_switch:
        return
    thread = _Thread.present()
    # There may be no hook although ours was installed: greenlet removes a hook that raises, and any code may set None.
    if not thread.hooked or hook is None:
        thread.previous = greenlet.settrace(_on_switch)
        thread.hooked = True


def _unhook_if_unused(thread: _Thread) -> None:
    # If another hook was installed over ours, our hook stays installed below it and only calls the previous hook.
    if not _users.number and not thread.away and greenlet.gettrace() is _on_switch:
        greenlet.settrace(thread.previous)
        thread.hooked, thread.previous = False, None


def _on_switch(event: str, args: Any) -> None:
    thread = _Thread.present()
    previous = thread.previous
    if event in ("switch", "throw"):
        origin, target = args
        if _users.number or thread.away or _ATTRIBUTE in vars(target):  # a dropped greenlet is in no weak set
            _leave(thread, origin)
            _enter(thread, target)
    _unhook_if_unused(thread)
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


def _return_running_loop() -> None:
    loop = running_loop()
    if loop is None:
        return
    owner = next((each for each in _others() if _is_inside(each.gr_frame, loop)), None)
    if owner is not None:
        _leave(_Thread.present(), owner)


def _others() -> list[Any]:
    # type(), not isinstance(): the latter asks every proxy object in the process for its __class__.
    return [thing for thing in gc.get_objects() if issubclass(type(thing), greenlet.greenlet) and thing.gr_frame]


def _is_inside(frame: FrameType | None, loop: AbstractEventLoop) -> bool:
    """Return whether the suspended ``frame``, or a caller of it, runs ``loop``."""
    seen: set[FrameType] = set()
    while frame is not None and frame not in seen:  # on PyPy the frames of a suspended greenlet form a circle
        seen.add(frame)
        if frame.f_code.co_name == "run_forever" and frame.f_locals.get("self") is loop:
            return True
        frame = frame.f_back
    return False
