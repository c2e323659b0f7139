"""The value of a slot that several threads use at once: one binding per thread.

In a slot whose loop is not shared by threads, each thread has a binding of its own. As long as only one thread has
bound a loop there, the value is that thread's plain :class:`~ctxpolicy.Binding`. From the second thread on, the value
is a :class:`_BindingPerThread`, which has the fields of the last binding and also holds the bindings of all threads.

A value is never changed, only replaced, because a copy of a contextvars context shares its values with the original.
"""

from __future__ import annotations

import sys
import threading
from threading import get_ident
from typing import Final, final

from ctxpolicy._fork import RESOLVER, renew_after_fork
from ctxpolicy._loops.lease import Binding

__all__ = ["SlotLocks", "joined", "of_this_thread", "split"]

_NONE: Final[dict[int, Binding]] = {}


@final
class SlotLocks:
    """The locks of one resolver. A forked child gets new locks, because a thread of the parent may hold the old ones.

    Attributes:
        change: held while the value of a slot is read and replaced.
        lease: held while a loop is made that several threads will share. Therefore they make only one loop.
    """

    __slots__ = ("__weakref__", "change", "lease")

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self, RESOLVER)

    def after_fork(self) -> None:
        # Reentrant: a finalizer, a signal handler or a loop factory may take a lock that its thread already holds.
        self.change = threading.RLock()
        self.lease = threading.RLock()


class _BindingPerThread(Binding):
    """The binding that was made last, with the bindings of all threads.

    Attributes:
        by_thread: the bindings, each under the ident of its thread.
    """

    by_thread: dict[int, Binding]


def of_this_thread(value: Binding) -> Binding | None:
    """Return the present thread's binding in the value of a slot, ``None`` if it has none."""
    if isinstance(value, _BindingPerThread):
        return value.by_thread.get(get_ident())
    return value if _owner(value) == get_ident() else None


def split(value: Binding | None) -> tuple[Binding | None, dict[int, Binding]]:
    """Split the value of a slot into this thread's binding and the bindings of the other threads that are alive."""
    if value is None:
        return None, _NONE
    if not isinstance(value, _BindingPerThread):
        owner = _owner(value)
        if owner in (get_ident(), 0):
            return value, _NONE
        by_thread = {owner: value}
    else:
        by_thread = value.by_thread
    here, alive = get_ident(), sys._current_frames()
    return by_thread.get(here), {ident: each for ident, each in by_thread.items() if ident != here and ident in alive}


def joined(own: Binding | None, others: dict[int, Binding]) -> Binding | None:
    """Return the value of a slot that holds ``own``, this thread's binding, and ``others``, those of other threads."""
    if not others:
        return own
    if own is None or not _owner(own):  # `own` records at most that a loop was set, and so do the others
        by_thread, shown = others, next(reversed(others.values()))
    else:
        by_thread, shown = {**others, get_ident(): own}, own
    if len(by_thread) == 1:
        return shown
    value = _BindingPerThread(*shown)
    value.by_thread = by_thread
    return value


def _owner(binding: Binding) -> int:
    """Return the ident of the thread that owns ``binding``; 0 if the binding records only that a loop was set."""
    return binding.thread or (0 if binding.scope is None else binding.scope.thread)
