"""The built-in resolvers, as the tests make and describe them."""

from __future__ import annotations

import contextvars
import importlib.util
from collections.abc import Callable
from typing import NamedTuple

import ctxpolicy
from ctxpolicy import ContextResolver

__all__ = ["CASES", "ResolverCase", "tenant"]

# The key of the keyed resolvers in tests. None (the default): there is no key, and the context is the thread.
tenant: contextvars.ContextVar[str | None] = contextvars.ContextVar("tenant", default=None)


class ResolverCase(NamedTuple):
    """A built-in resolver with its options.

    Attributes:
        name: the name of the case, which is the id of its tests.
        make: a function that makes a new resolver.
        inherits: whether a context that is made inside another context (a copy of a contextvars context, a child task,
            a greenlet) starts with the loop of the outer context.
        any_thread: whether a loop that one thread has bound is returned in other threads that are in the context.
        one_context: whether there is only one context in the process.
        needs: the package that the resolver needs.
    """

    name: str
    make: Callable[[], ContextResolver]
    inherits: bool = False
    any_thread: bool = False
    one_context: bool = False
    needs: str | None = None

    @property
    def missing(self) -> str | None:
        """The reason why this resolver cannot be used here; ``None`` if it can."""
        if self.needs is None or importlib.util.find_spec(self.needs) is not None:
            return None
        return f"the resolver {self.name!r} needs the package {self.needs}, which is not installed"


CASES = {
    case.name: case
    for case in (
        ResolverCase("contextvar", ctxpolicy.ContextVarResolver, inherits=True),
        ResolverCase(
            "contextvar-any-thread",
            lambda: ctxpolicy.ContextVarResolver(inherit="any-thread"),
            inherits=True,
            any_thread=True,
        ),
        ResolverCase("thread", ctxpolicy.ThreadResolver),
        ResolverCase("task", ctxpolicy.TaskResolver),
        ResolverCase("greenlet", ctxpolicy.GreenletResolver, needs="greenlet"),
        ResolverCase("process", ctxpolicy.ProcessResolver, inherits=True, any_thread=True, one_context=True),
        ResolverCase("keyed", lambda: ctxpolicy.KeyedResolver(tenant.get)),
        ResolverCase("keyed-shared", lambda: ctxpolicy.KeyedResolver(tenant.get, shared=True), any_thread=True),
        ResolverCase("chain", lambda: ctxpolicy.ChainResolver(ctxpolicy.TaskResolver(), ctxpolicy.ThreadResolver())),
    )
}
