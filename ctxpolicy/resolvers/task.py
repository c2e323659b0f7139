"""A context is an asyncio task."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from itertools import count
from typing import Any, Final

from ctxpolicy._asyncio.running import current_task
from ctxpolicy._loops.lease import Binding
from ctxpolicy._threads import thread_name
from ctxpolicy.resolvers.slot import SlotResolver

__all__ = ["TaskResolver"]

_serial: Final = count()


class TaskResolver(SlotResolver):
    """A context is an asyncio task, or the thread if no task runs; each task starts without a loop, child tasks too.

    A binding ends with its task. It is kept as an attribute of the task and not in a weak dictionary with the task as
    the key: a loop refers to its tasks through its pending calls, and a weak dictionary never drops a key to which the
    value refers.
    """

    _one_thread = True

    def __init__(self) -> None:
        self._slot = f"_ctxpolicy_binding_{next(_serial)}"
        self._thread = threading.local()

    def load(self) -> Binding | None:
        """Return the binding of this task, or of this thread if no task runs."""
        return getattr(current_task() or self._thread, self._slot, None)

    def store(self, binding: Binding | None) -> None:
        """Keep ``binding`` until this task ends; if no task runs, until this thread ends."""
        task = current_task()
        if task is not None and not hasattr(task, self._slot):
            # With an empty contextvars context. By default, a copy of the present one would be kept alive until the
            # task ends.
            task.add_done_callback(functools.partial(_empty, self._slot), context=contextvars.Context())
        setattr(task or self._thread, self._slot, binding)

    def applies(self) -> bool:
        """Return whether a task runs here."""
        return current_task() is not None

    def describe(self) -> str:
        """Return a name that has the names of the task and the thread."""
        task = current_task()
        if task is None:
            return f"thread {thread_name()}, outside any task"
        return f"task {task.get_name()!r} in thread {thread_name()}"


def _empty(slot: str, task: asyncio.Task[Any]) -> None:
    delattr(task, slot)
