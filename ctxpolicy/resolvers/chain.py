"""A context is the context of the first resolver that applies here."""

from __future__ import annotations

from asyncio import AbstractEventLoop

from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import OptionError, ResolverError
from ctxpolicy.resolvers._bindings import Bindings, WrappedBindings
from ctxpolicy.resolvers.base import ContextResolver
from ctxpolicy.resolvers.delegating import DelegatingResolver

__all__ = ["ChainResolver"]


class ChainResolver(DelegatingResolver):
    """A context is the context of the first resolver whose ``applies()`` is true, and starts as under that resolver.

    Args:
        resolvers: the resolvers, in order. If none of them applies, no loop is bound and none can be bound. To have a
            loop everywhere, end with a resolver that always applies (``ThreadResolver()``, ``ContextVarResolver()``).
    """

    def __init__(self, *resolvers: ContextResolver) -> None:
        if not resolvers:
            raise OptionError("a chain needs at least one resolver: ChainResolver(TaskResolver(), ThreadResolver())")
        for resolver in resolvers:
            if not isinstance(resolver, ContextResolver):
                raise OptionError(f"a chain takes resolvers, not {resolver!r}: get_resolver(name) makes one by name")
        self.resolvers = resolvers

    def present(self) -> ContextResolver:
        """Return the first resolver that applies here; if none applies, a resolver that cannot bind a loop."""
        for resolver in self.resolvers:
            if resolver.applies():
                return resolver
        return _NOWHERE

    def applies(self) -> bool:
        """Return whether any of the resolvers applies here."""
        return self.present() is not _NOWHERE

    def installed(self) -> None:
        """Call ``installed()`` of each resolver, in order. If a call raises, undo the calls before it, and raise."""
        done: list[ContextResolver] = []
        try:
            for resolver in self.resolvers:
                resolver.installed()
                done.append(resolver)
        except BaseException:
            for resolver in reversed(done):
                resolver.uninstalled()
            raise

    def uninstalled(self) -> None:
        """Call ``uninstalled()`` of each resolver, in reverse order."""
        for resolver in reversed(self.resolvers):
            resolver.uninstalled()


class _Nowhere(ContextResolver):
    """The resolver that a chain delegates to if none of its resolvers applies."""

    def get(self) -> AbstractEventLoop | None:
        return None

    def set(self, loop: AbstractEventLoop | None) -> None:
        if loop is not None:
            raise _refusal()

    @property
    def bindings(self) -> Bindings:
        return _NoBindings(super().bindings)

    def describe(self) -> str:
        return f"thread {thread_name()}, where no resolver of the chain applies"


class _NoBindings(WrappedBindings):
    __slots__ = ()

    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        raise _refusal()

    def was_set(self) -> bool:
        return True  # with False, the policy would make a loop that cannot be bound

    def is_thread_exclusive(self) -> bool:
        return False


def _refusal() -> ResolverError:
    return ResolverError(
        f"no loop can be bound in {_NOWHERE.describe()}: end the chain with a resolver that always applies, "
        "such as ThreadResolver()"
    )


_NOWHERE = _Nowhere()
