"""Resolvers that keep the contract, and descriptions of their contexts. The mutants derive from these."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from ctxpolicy import Binding, ContextResolver, SlotResolver, TaskResolver
from ctxpolicy.testing import (
    THREADS_INHERIT_CONTEXT,
    ResolverContract,
    contextvars_context,
    task_context,
    thread_context,
)


def present_task() -> Any:
    """Return the current asyncio task, ``None`` if there is none."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


class Threads(ContextResolver):
    """A plain resolver that keeps the contract: a context is a thread."""

    def __init__(self):
        self._local = threading.local()

    def get(self) -> AbstractEventLoop | None:
        loop, process = getattr(self._local, "bound", (None, 0))
        return loop if process == os.getpid() else None

    def set(self, loop: AbstractEventLoop | None) -> None:
        self._local.bound = (loop, os.getpid())


class ContextVars(ContextResolver):
    """A plain resolver that keeps the contract: a context is a contextvars context, and a copy inherits."""

    def __init__(self):
        self._bound = contextvars.ContextVar("bound", default=(None, 0, 0))

    def get(self) -> AbstractEventLoop | None:
        loop, *owner = self._bound.get()
        return loop if owner == [threading.get_ident(), os.getpid()] else None

    def set(self, loop: AbstractEventLoop | None) -> None:
        self._bound.set((loop, threading.get_ident(), os.getpid()))


class Slots(SlotResolver):
    """A slot resolver that keeps the contract: a context is a contextvars context, and a copy inherits."""

    def __init__(self):
        self._bound = contextvars.ContextVar("bound", default=None)

    def load(self) -> Binding | None:
        return self._bound.get()

    def store(self, binding: Binding | None) -> None:
        self._bound.set(binding)


class Tenant:
    """A tenant, whose requests several threads may serve at once."""

    slot: Binding | None = None


present_tenant: contextvars.ContextVar[Tenant | None] = contextvars.ContextVar("present_tenant", default=None)


class Tenants(SlotResolver):
    """A slot resolver that keeps the contract: a context is a tenant, and each thread in it has its own loop."""

    def __init__(self):
        self._thread = threading.local()

    def load(self) -> Binding | None:
        return getattr(present_tenant.get() or self._thread, "slot", None)

    def store(self, binding: Binding | None) -> None:
        (present_tenant.get() or self._thread).slot = binding


class SharedTenants(Tenants):
    """A slot resolver that keeps the contract: a context is a tenant, and all threads in it share one loop."""

    any_thread = True


class OfThreads(ResolverContract):
    Resolver: ClassVar[type[ContextResolver]] = Threads
    breaks: ClassVar[int | None] = None
    # The other laws whose tests catch this resolver: every time (also), on some Pythons or by chance (sometimes).
    also: ClassVar[tuple[int, ...]] = ()
    sometimes: ClassVar[tuple[int, ...]] = ()
    # The flag of sys.flags that must exist and be unset to show the defect.
    needs: ClassVar[str] = ""

    def make_resolver(self) -> ContextResolver:
        return self.Resolver()

    def new_context(self) -> Any:
        return thread_context()


class OfContextVars(OfThreads):
    Resolver = ContextVars
    inherits = True

    def new_context(self) -> Any:
        return contextvars_context()


class OfSlots(OfContextVars):
    Resolver = Slots


class OfTasks(OfThreads):
    Resolver = TaskResolver

    def new_context(self) -> Any:
        return task_context()


@contextmanager
def tenant_context() -> Iterator[Any]:
    """A context of a tenant; any thread may enter it."""
    tenant = Tenant()

    def run(function):
        token = present_tenant.set(tenant)
        try:
            return function()
        finally:
            present_tenant.reset(token)

    yield run


class OfTenants(OfThreads):
    Resolver = Tenants

    def new_context(self) -> Any:
        return tenant_context()


class OfSharedTenants(OfTenants):
    Resolver = SharedTenants
    any_thread = True
    thread_inherits = THREADS_INHERIT_CONTEXT


RIGHT = (OfThreads, OfContextVars, OfSlots, OfTasks, OfTenants, OfSharedTenants)
