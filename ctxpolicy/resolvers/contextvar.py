"""A context is a contextvars context."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from threading import get_ident
from typing import Any, Final, Literal

from ctxpolicy._asyncio import current_task
from ctxpolicy._binding import Binding
from ctxpolicy._contextvars import ContextVarExt
from ctxpolicy._fork import process
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import OptionError
from ctxpolicy.resolvers.slot import SlotResolver

__all__ = ["ContextVarResolver"]

# What the variable holds where nothing was ever stored. A plain tuple, as everything that the closures below put there:
# a Binding in its place makes a set 1.4 times as slow (3.13), and no closure needs its names.
_EMPTY: Final = (None, 0, 0, None, None)


class ContextVarResolver(SlotResolver):
    """A context is a contextvars context; a new one inherits from the one that it was copied from.

    So tasks, ``asyncio.to_thread`` and ``copy_context().run`` start with their parent's loop, and what they set stays
    their own; a plain new thread starts empty (with ``-X thread_inherit_context=1``: with its parent's).

    Args:
        inherit: ``"same-thread"``: an inherited loop is handed out only in the thread that bound it, so that
            ``to_thread`` gives no worker the loop of another thread. ``"any-thread"``: everywhere.
    """

    def __init__(self, inherit: Literal["same-thread", "any-thread"] = "same-thread") -> None:
        if inherit not in ("same-thread", "any-thread"):
            raise OptionError(f"inherit must be 'same-thread' or 'any-thread', not {inherit!r}")
        self.any_thread = inherit == "any-thread"
        self._variable = _new_variable()

    def load(self) -> Binding | None:
        """Return the binding in this contextvars context."""
        slot = self._variable.get_raw()
        return None if slot is _EMPTY else Binding._make(slot)

    def store(self, binding: Binding | None) -> None:
        """Keep ``binding`` in this contextvars context."""
        self._variable.set(_EMPTY if binding is None else tuple(binding))

    def getter(self, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
        """Return a closure over the variable: a hit costs one Python frame."""
        if self._overrides(ContextVarResolver, "get", "load"):
            return super().getter(miss)
        raw = self._variable.get_raw

        def get_event_loop() -> AbstractEventLoop:
            loop, thread, _, _, _ = raw()
            if thread == ident():  # never where loop is None: thread is 0 there
                return loop  # type: ignore[no-any-return]
            return miss()

        def get_event_loop_of_any_thread() -> AbstractEventLoop:
            loop = raw()[0]
            return miss() if loop is None else loop

        ident = get_ident  # a closure's variable is read faster than a global
        return get_event_loop_of_any_thread if self.any_thread else get_event_loop

    def setter(self, other: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return a closure over the variable."""
        if self.traced or self._overrides(ContextVarResolver, "bind", "set", "load", "store"):
            return super().setter(other)
        raw, put = self._variable.get_raw, self._variable.set
        ident, kind, pid = get_ident, AbstractEventLoop, process.id  # bound anew after a fork

        def set_event_loop(loop: Any) -> None:
            if isinstance(loop, kind):
                put((loop, ident(), pid, raw()[3], None))
            else:
                other(loop)

        return set_event_loop

    def describe(self) -> str:
        """Name the contextvars context by the task that runs in it, or by the thread."""
        task = current_task()
        owner = "" if task is None else f" of task {task.get_name()!r}"
        return f"the contextvars context{owner} in thread {thread_name()}"

    def after_fork(self) -> None:
        """Start anew. The old variable's values stay in the contextvars context, so no inherited loop is dropped."""
        self._variable = _new_variable()


def _new_variable() -> ContextVarExt[Any]:
    return ContextVarExt("ctxpolicy.current_loop", default=_EMPTY)

