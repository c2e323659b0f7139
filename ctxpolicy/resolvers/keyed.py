"""A context is a key that a function returns, for example the id of a tenant, a session or a request."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Final

from ctxpolicy._loops.lease import Binding
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import OptionError, ResolverError
from ctxpolicy.resolvers._changes import Change
from ctxpolicy.resolvers.slot import SlotResolver, emptied

__all__ = ["KeyedResolver"]


class KeyedResolver(SlotResolver):
    """A context is a key that ``key()`` returns; a new key starts without a loop.

    Args:
        key: a function without arguments that returns the key of the present context: a hashable object, such as the
            id of a tenant or session. If it returns ``None``, the context is the thread. It is called at every get and
            set, in the thread and context that it refers to, and must be fast, as
            ``ContextVar("tenant", default=None).get`` is.
        shared: ``False``: each thread has a loop of its own for a key, until :meth:`release` or the end of the thread.
            ``True``: all threads have the same loop for a key, until :meth:`release`.
    """

    def __init__(self, key: Callable[[], Hashable], shared: bool = False) -> None:
        if not callable(key):
            raise OptionError(f"key must be a callable that returns the key of the present context, not {key!r}")
        if not isinstance(shared, bool):  # for example the text "no" from the command line
            raise OptionError(f"shared must be True or False, not {shared!r}")
        self.any_thread: bool = shared
        self._key = key
        self._one_thread = not shared  # because each thread then has a table of its own
        self._shared: Final = _Slots() if shared else None
        self._everywhere: Final = _Everywhere()
        self._thread = _ThreadSlots(self._everywhere)

    def load(self) -> Binding | None:
        """Return the binding of the present key."""
        key = self._present_key()
        return self._slots(key).bindings.get(key)

    def store(self, binding: Binding | None) -> None:
        """Keep ``binding`` until :meth:`release`; if it is not shared, at most until this thread ends."""
        key = self._present_key()
        if binding is None:
            self._slots(key).bindings.pop(key, None)
        else:
            self._slots(key).bindings[key] = binding

    def release(self, key: Hashable) -> None:
        """Forget the bindings of ``key`` in all threads, and end its leases as :meth:`~ctxpolicy.Lease.release` does.

        May be called in any thread. If the key is unknown, this does nothing. A lease whose loop is running ends when
        its last reference is gone, or at interpreter exit. A scope that is open under the key must still be left.
        """
        if self._reports_changes:
            with Change(self):
                self._release(key)
        else:
            self._release(key)

    def _release(self, key: Hashable) -> None:
        forgotten = [slots.forget(key) for slots in self._everywhere.slots()]
        if self._shared is not None:
            with self._locks.change:
                forgotten.append(self._shared.forget(key))
        leases = [binding.lease for binding in forgotten if binding is not None and binding.lease is not None]
        for lease in leases:
            if lease.loop is not None and not lease.loop.is_running():
                lease.release()

    def applies(self) -> bool:
        """Return whether the present context has a key."""
        return self._present_key() is not None

    def describe(self) -> str:
        """Return a name that has the key and the name of the thread."""
        key = self._present_key()
        if key is None:
            return f"thread {thread_name()}, where there is no key"
        return f"key {key!r} in thread {thread_name()}"

    def after_fork(self) -> None:
        """Make a new lock, because a thread of the parent may hold the old one."""
        self._everywhere.lock = threading.RLock()

    def _shares_loop(self) -> bool:
        return self._shared is not None and self.applies()  # without a key, the context is the thread

    def _present_key(self) -> Hashable:
        try:
            key = self._key()
        except Exception as error:
            fix = "None if there is no key, as the get method of ContextVar(name, default=None) does"
            raise self._broken_key(f"raised {error!r}", fix) from error
        try:
            hash(key)
        except TypeError as error:
            fix = "a hashable name of the tenant or session (its id), or None if there is no key"
            raise self._broken_key(f"returned {key!r}, which cannot be hashed", fix) from error
        return key

    def _broken_key(self, what: str, fix: str) -> ResolverError:
        return ResolverError(
            f"KeyedResolver: key() {what}, in thread {thread_name()}. Fix the key function {self._key!r}: it must "
            f"return {fix}."
        )

    def _slots(self, key: Hashable) -> _Slots:
        return self._thread.slots if key is None or self._shared is None else self._shared


class _Slots:
    __slots__ = ("__weakref__", "bindings")

    def __init__(self) -> None:
        self.bindings: dict[Hashable, Binding] = {}

    def forget(self, key: Hashable) -> Binding | None:
        binding = self.bindings.pop(key, None)
        left = emptied(binding)
        if left is not None:
            self.bindings[key] = left
        return binding


class _Everywhere:
    """The slots of all threads.

    This object does not refer to the resolver. A reference cycle would contain the leases, and the garbage collector
    finalizes the objects of a cycle in no particular order.
    """

    __slots__ = ("_slots", "lock")

    def __init__(self) -> None:
        self._slots: weakref.WeakSet[_Slots] = weakref.WeakSet()
        self.lock = threading.RLock()

    def add(self, slots: _Slots) -> None:
        with self.lock:
            self._slots.add(slots)

    def slots(self) -> list[_Slots]:
        with self.lock:
            return list(self._slots)


class _ThreadSlots(threading.local):
    def __init__(self, everywhere: _Everywhere) -> None:
        self.slots = _Slots()
        everywhere.add(self.slots)
