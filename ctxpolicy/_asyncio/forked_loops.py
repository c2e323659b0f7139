"""Makes the loops that a forked child inherits harmless to the parent, whose kernel objects they share.

The epoll object and the self-pipe of a selector loop are shared with a forked child. Closing the loop in the child, or
letting it be garbage-collected there (``BaseEventLoop.__del__`` closes it), unregisters the parent's self-pipe from the
epoll object. After this the parent misses calls from other threads. Therefore each loop that one of our policies made
gets an epoll object and a self-pipe of its own in the child, where it may then be closed, dropped, or even run on.
asyncio itself has this fault. The loop that runs in the forking thread is treated likewise, even if asyncio made it.
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
    """A weak reference with an identity of its own: a loop may compare equal to another one, or not be hashable."""

    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__


# An ordered set from which an entry is removed without running Python code: a WeakValueDictionary took 3 % of an
# asyncio.run().
_tracked: Final[dict[_Tracked, None]] = {}
_drop: Final = _tracked.pop
# Filled before the fork, because the child drops the objects of the parent's other threads before any hook runs in it.
_held: Final[list[AbstractEventLoop]] = []
_running: Final[list[AbstractEventLoop | None]] = []
_inherited: Final[list[object]] = []


def track(loop: AbstractEventLoop) -> None:
    """Make ``loop`` harmless in every child that is forked from now on."""
    try:
        _tracked[_Tracked(loop, _drop)] = None
    except TypeError:
        pass  # the loop cannot be weakly referenced, and a strong reference would keep it alive


def tracked() -> list[AbstractEventLoop]:
    """Return the loops that :func:`track` was given and that are alive, in the order of the calls."""
    return [loop for loop in (reference() for reference in list(_tracked)) if loop is not None]


def is_kept_alive(thing: object) -> bool:
    """Return whether :func:`keep_alive` was called with ``thing``, as it is with each loop that cannot be detached."""
    return any(thing is kept for kept in _inherited)


def keep_alive(thing: object) -> None:
    """Keep an object that belongs to the parent process alive until this process ends."""
    _inherited.append(thing)


def _before_fork() -> None:
    running = running_loop()
    _running.append(running)
    _held.extend(loop for loop in tracked() if loop is not running)
    if running is not None:
        _held.append(running)


def _release() -> None:
    _held.clear()
    _running.clear()


def _in_child() -> None:
    for loop in _held:
        # A loop that cannot be detached (a uvloop) is kept alive instead. It is then never closed in this process.
        if not detach(loop, runs_here=loop is _running[0]):
            keep_alive(loop)
    _release()


if hasattr(os, "register_at_fork"):  # pragma: no branch - absent on Windows only, which has no fork
    # pyright does not understand hasattr() of a module.
    os.register_at_fork(  # pyright: ignore[reportAttributeAccessIssue]
        before=_before_fork, after_in_parent=_release, after_in_child=_in_child
    )
