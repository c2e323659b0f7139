"""The loops that a forked child inherits: made harmless to the parent, whose kernel objects they share.

A selector loop's epoll object and self-pipe are shared with the child. Closing the loop there, which dropping it does
too (``BaseEventLoop.__del__``), unregisters the parent's self-pipe from the epoll object: the parent then misses what
other threads tell it. So each loop that a policy of ours has made gets an epoll object and a self-pipe of its own in
the child, where it may then be closed, dropped or even run on. asyncio itself has this fault; of its own loops, the one
that runs in the thread that forks is treated likewise.
"""

from __future__ import annotations

import os
import weakref
from asyncio import AbstractEventLoop
from typing import Final

from ctxpolicy._asyncio.loop_internals import detach
from ctxpolicy._asyncio.running import running_loop

__all__ = ["is_kept_alive", "keep_alive", "track", "tracked"]


class _Tracked(weakref.ref[AbstractEventLoop]):
    """A reference that stands for itself: a loop may compare equal to another, or not be hashable."""

    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__


# A set that keeps its order, and forgets without a line of Python: a WeakValueDictionary took 3 % of an asyncio.run().
_tracked: Final[dict[_Tracked, None]] = {}
_drop: Final = _tracked.pop
# Filled before the fork: the child's first act, before any hook, is to drop what the parent's other threads held.
_held: Final[list[AbstractEventLoop]] = []
_running: Final[list[AbstractEventLoop | None]] = []
_inherited: Final[list[object]] = []


def track(loop: AbstractEventLoop) -> None:
    """Have ``loop`` made harmless in every forked child."""
    try:
        _tracked[_Tracked(loop, _drop)] = None
    except TypeError:
        pass  # cannot be weakly referenced; to keep it alive for this would be worse


def tracked() -> list[AbstractEventLoop]:
    """Return the loops given to :func:`track` that are alive, in the order in which they were."""
    return [loop for loop in (reference() for reference in list(_tracked)) if loop is not None]


def is_kept_alive(thing: object) -> bool:
    """Tell whether ``thing`` was given to :func:`keep_alive`: a loop that could not be detached was."""
    return any(thing is kept for kept in _inherited)


def keep_alive(thing: object) -> None:
    """Keep alive what belongs to the parent process, to the end of this one."""
    _inherited.append(thing)


def _before_fork() -> None:
    running = running_loop()
    _running.append(running)
    _held.extend(loop for loop in tracked() if loop is not running)
    if running is not None:
        _held.append(running)


def _let_go() -> None:
    _held.clear()
    _running.clear()


def _in_child() -> None:
    for loop in _held:
        # What cannot be detached (a uvloop) is kept instead: it is then never closed here.
        if not detach(loop, runs_here=loop is _running[0]):
            keep_alive(loop)
    _let_go()


if hasattr(os, "register_at_fork"):  # pragma: no branch - only Windows lacks it, which has no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_let_go, after_in_child=_in_child)
