"""A context is a contextvars context."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextvars import Token
from threading import get_ident
from typing import Any, Final, Literal

from ctxpolicy._asyncio.running import current_task
from ctxpolicy._contextvars import ContextVarExt
from ctxpolicy._fork import process
from ctxpolicy._loops.lease import Binding, Lease
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import OptionError
from ctxpolicy.resolvers._bindings import Bindings
from ctxpolicy.resolvers.slot import SlotBindings, SlotResolver

__all__ = ["ContextVarResolver"]

# The initial value of the variable. Like all values that the closures below store, it is a plain tuple of the loop and
# its thread. A lease and a scope are kept in a second variable, which is set only if there are any. Measured on 3.14,
# as ratios to asyncio's own policy: a set takes 1.65, and 1.90 if the tuple also holds the lease; a get takes 0.88, and
# 0.93. A Binding in place of the tuple is even slower.
_EMPTY: Final = (None, 0)
_UNBOUND: Final = (*_EMPTY,)  # an equal tuple, but another object: a loop was bound here and unbound again
_Kept = tuple[Lease | None, Lease | None]  # the lease of the context, and the lease of the innermost scope
_NOTHING: Final = (None, None)


class _Traced(tuple[Any, ...]):  # noqa: SLOT001 - a subclass of tuple can only have empty slots
    """A loop and its thread, with the place in the code that bound the loop."""

    where: str


class _EnteredScope:
    """The previous binding, and the token of a variable that was set when the scope was entered.

    The variable can be reset with the token only in the contextvars context that was entered, not in a copy of it.
    """

    __slots__ = ("binding", "token")

    def __init__(self, binding: Binding | None, token: Token[_Kept | None]) -> None:
        self.binding: Binding | None = binding
        self.token: Token[_Kept | None] = token


class ContextVarResolver(SlotResolver):
    """A context is a contextvars context; a copy of a context inherits its loop.

    Therefore tasks, ``asyncio.to_thread`` and ``copy_context().run`` start with the loop of their parent, and a set in
    them does not change the parent. A plain new thread starts without a loop. With ``-X thread_inherit_context=1`` it
    starts with the loop of its starter.

    Args:
        inherit: ``"same-thread"``: an inherited loop is handed out only in the thread that bound it. Therefore no
            worker of ``to_thread`` is handed the loop of another thread. ``"any-thread"``: an inherited loop is handed
            out in all threads.
    """

    _one_thread = True

    def __init__(self, inherit: Literal["same-thread", "any-thread"] = "same-thread") -> None:
        if inherit not in ("same-thread", "any-thread"):
            raise OptionError(f"inherit must be 'same-thread' or 'any-thread', not {inherit!r}")
        self.any_thread: bool = inherit == "any-thread"
        self._renew()

    def load(self) -> Binding | None:
        """Return the binding in this contextvars context."""
        slot = self._variable.get_raw()
        if slot is _EMPTY:
            return None
        loop, thread = slot
        lease, scope = self._kept.get_raw() or _NOTHING
        if lease is not None and lease.slot is slot:
            return lease.binding(scope)
        return Binding(loop, thread, self._process, lease, getattr(slot, "where", None), scope)

    def store(self, binding: Binding | None) -> None:
        """Keep ``binding`` in this contextvars context."""
        self._variable.set(_EMPTY if binding is None else _slot(binding))
        kept = None if binding is None else _kept(binding)
        if kept != self._kept.get_raw():
            self._kept.set(kept)

    @property
    def bindings(self) -> Bindings:
        """The bindings of a slot resolver. A scope can be left only in the contextvars context that entered it."""
        return self._reporting(_ContextVarBindings(self))

    def getter(self, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
        """Return a closure over the variable. A hit costs one Python frame."""
        if self._overrides(ContextVarResolver, "get", "load"):
            return super().getter(miss)
        raw = self._variable.get_raw

        def get_event_loop() -> AbstractEventLoop:
            loop, thread = raw()
            if thread == ident():  # false if loop is None, because thread is 0 then
                return loop  # type: ignore[no-any-return]
            return miss()

        def get_event_loop_of_any_thread() -> AbstractEventLoop:
            loop = raw()[0]
            return miss() if loop is None else loop

        ident = get_ident  # a closure reads its own variables faster than global ones
        return get_event_loop_of_any_thread if self.any_thread else get_event_loop

    def setter(self, other: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return a closure over the variable."""
        if self.traced or self._overrides(ContextVarResolver, "set", "load", "store", "bindings"):
            return super().setter(other)
        put, kept = self._variable.set, self._kept.get_raw
        ident, kind, unbound = get_ident, AbstractEventLoop, _UNBOUND

        def set_event_loop(loop: Any) -> None:
            if isinstance(loop, kind):
                put((loop, ident()))
            elif loop is None and kept() is None:  # at the end of each asyncio.run(); bind() would take 4 % of the run
                put(unbound)
            else:
                other(loop)

        return set_event_loop

    def describe(self) -> str:
        """Return a name that has the names of the task that runs in the contextvars context and of the thread."""
        task = current_task()
        owner = "" if task is None else f" of task {task.get_name()!r}"
        return f"the contextvars context{owner} in thread {thread_name()}"

    def after_fork(self) -> None:
        """Make new variables. The old ones stay in the contextvars contexts, and keep the parent's loops alive."""
        self._renew()

    def _renew(self) -> None:
        self._process = process.id
        self._variable: ContextVarExt[Any] = ContextVarExt("ctxpolicy.current_loop", default=_EMPTY)
        self._kept: ContextVarExt[_Kept | None] = ContextVarExt("ctxpolicy.lease", default=None)


class _ContextVarBindings(SlotBindings):
    __slots__ = ("_variables",)

    def __init__(self, resolver: ContextVarResolver) -> None:
        super().__init__(resolver)
        self._variables = resolver

    def enter_scope(self, lease: Lease) -> _EnteredScope:
        """Bind the loop of ``lease`` for a scope, and record the present contextvars context by a token."""
        return _EnteredScope(super().enter_scope(lease), self._variables._kept.set((lease, lease)))

    def is_innermost_scope(self, lease: Lease, token: Any) -> bool:
        """Return whether this is the contextvars context that entered the scope, not a copy (a task in the scope)."""
        if not super().is_innermost_scope(lease, token):
            return False
        variable = self._variables._kept
        kept = variable.get_raw()
        try:
            variable.reset(token.token)
        except ValueError:
            return False
        token.token = variable.set(kept)
        return True

    def leave_scope(self, token: _EnteredScope) -> None:
        """Restore the previous binding."""
        super().leave_scope(token.binding)


def _kept(binding: Binding) -> _Kept | None:
    kept = binding.lease, binding.scope
    return None if kept == _NOTHING else kept


def _slot(binding: Binding) -> tuple[Any, ...]:
    lease = binding.lease
    if lease is not None and lease.slot is not None and binding.loop is lease.loop and binding.thread == lease.thread:
        return lease.slot
    if binding.where is None:
        return binding[:2]
    slot = _Traced(binding[:2])
    slot.where = binding.where
    return slot
