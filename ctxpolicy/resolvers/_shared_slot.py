"""The value of a slot that several threads are in at once: a binding for each of them.

A slot whose loop is not shared by threads has one binding per thread. As long as only one thread has bound a loop
there, the value is that thread's plain :class:`~ctxpolicy.Binding`. From the second thread on the value is a
:class:`_BindingPerThread`: it looks like the binding that was made last, and has the bindings of all threads beside.

Values are never changed, only replaced, because a copy of a contextvars context shares the value with the context that
it was copied from.
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
    """The locks of one resolver; a forked child has new ones, as a thread of the parent may have held the old ones.

    Attributes:
        change: is held while the value of a slot is read and replaced.
        lease: is held while a loop is made that several threads will share, so that they make one.
    """

    __slots__ = ("__weakref__", "change", "lease")

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self, RESOLVER)

    def after_fork(self) -> None:
        # Reentrant: a finalizer, a signal handler or a loop factory may come here in the thread that holds it.
        self.change = threading.RLock()
        self.lease = threading.RLock()


class _BindingPerThread(Binding):
    """The binding that was made last, and those of the other threads.

    Attributes:
        by_thread: the binding of each thread that has one, by the thread's ident.
    """

    by_thread: dict[int, Binding]


def of_this_thread(value: Binding) -> Binding | None:
    """Return the present thread's binding in the value of a slot."""
    if isinstance(value, _BindingPerThread):
        return value.by_thread.get(get_ident())
    return value if _owner(value) in (get_ident(), 0) else None


def split(value: Binding | None) -> tuple[Binding | None, dict[int, Binding]]:
    """Return the present thread's binding in the value of a slot, and those of the other threads that are alive."""
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
    """Return the value of a slot in which the present thread has the binding ``own``, beside those of other threads."""
    if not others:
        return own
    if own is None or not _owner(own):  # that a loop was set, the others tell
        by_thread, shown = others, next(reversed(others.values()))
    else:
        by_thread, shown = {**others, get_ident(): own}, own
    if len(by_thread) == 1:
        return shown
    value = _BindingPerThread(*shown)
    value.by_thread = by_thread
    return value


def _owner(binding: Binding) -> int:
    """Return the ident of the thread that a binding belongs to; 0 where it only says that a loop was set."""
    return binding.thread or (0 if binding.scope is None else binding.scope.thread)
