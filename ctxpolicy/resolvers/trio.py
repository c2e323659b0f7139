"""A context is a Trio task, as in trio-asyncio's own policy."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import Any

from ctxpolicy.errors import NewLoopRefusedError, PluginError, ResolverError

try:
    import trio
except ImportError as _error:
    raise PluginError("the resolver 'trio' needs the package trio: pip install 'ctxpolicy[trio]'") from _error

from ctxpolicy._contextvars import ContextVarExt
from ctxpolicy._loops.lease import Binding
from ctxpolicy._threads import thread_name
from ctxpolicy.resolvers.slot import SlotResolver

__all__ = ["TrioResolver"]


class TrioResolver(SlotResolver):
    """A context is a Trio task; a new task inherits the loop of the task that started it.

    This resolver does not apply outside a Trio run. Therefore use it in a chain, such as
    ``ChainResolver(TrioResolver(), ThreadResolver())``.

    As in trio-asyncio, the loop is read from the contextvars context of the Trio task, not from the present contextvars
    context. The reason is that the task that runs a loop calls asyncio code in the contextvars contexts of handles,
    which may come from another loop. As in trio-asyncio, the loop is set in the present contextvars context. In Trio
    code the two contexts are the same.

    No loop is made inside a Trio run, because the loop could not run there.
    """

    _one_thread = True

    def __init__(self) -> None:
        self._variable: ContextVarExt[Any] = ContextVarExt("ctxpolicy.current_loop_of_trio_task", default=None)
        # The task of the parent's run, which is still Trio's current task in a forked child.
        self._left_behind: object = None

    def load(self) -> Binding | None:
        """Return the binding of this Trio task, ``None`` outside a Trio run."""
        task = self._task()
        return None if task is None else task.context.get(self._variable.context_var)

    def store(self, binding: Binding | None) -> None:
        """Keep ``binding`` in this contextvars context.

        Raises:
            ResolverError: ``binding`` has a loop, and no Trio task runs here.
        """
        if self._task() is not None:
            self._variable.set(binding)
        elif binding is not None and binding.loop is not None:
            raise ResolverError(
                f"no loop can be bound in {self.describe()}, by the resolver 'trio': put it into a chain that ends "
                "with a resolver that always applies, ChainResolver(TrioResolver(), ThreadResolver())"
            )

    def new(self) -> AbstractEventLoop:
        """Return a new loop, if no Trio task runs here.

        Raises:
            NewLoopRefusedError: a Trio task runs here.
        """
        task = self._task()
        if task is not None:
            raise NewLoopRefusedError(
                f"{self.describe()} is inside a Trio run, where an asyncio loop of its own cannot run. Use 'async with "
                "trio_asyncio.open_loop()', or run asyncio code in a thread by trio.to_thread.run_sync()."
            )
        return super().new()

    def applies(self) -> bool:
        """Return whether a Trio task runs here."""
        return self._task() is not None

    def describe(self) -> str:
        """Return a name that has the names of the Trio task and the thread."""
        task = self._task()
        if task is None:
            return f"thread {thread_name()}, outside any Trio run"
        return f"Trio task {task.name!r} in thread {thread_name()}"

    def after_fork(self) -> None:
        """Ignore the task of the parent's Trio run, which does not continue in the child."""
        self._left_behind = _current_task()

    def _task(self) -> trio.lowlevel.Task | None:
        task = _current_task()
        return None if task is self._left_behind else task


def _current_task() -> trio.lowlevel.Task | None:
    try:
        return trio.lowlevel.current_task()
    except RuntimeError:
        return None
