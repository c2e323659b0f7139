"""The base class of resolvers around other resolvers."""

from __future__ import annotations

from abc import abstractmethod
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, final

from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.lease import Binding
from ctxpolicy.errors import ResolverError
from ctxpolicy.resolvers._bindings import Bindings, WrappedBindings
from ctxpolicy.resolvers.base import ContextResolver, factory_of, setter_of

__all__ = ["DelegatingResolver"]


class DelegatingResolver(ContextResolver):
    """A resolver that passes calls on to another resolver. A subclass chooses the other resolver in :meth:`present`.

    A subclass may override any method. If it defines ``new()`` or ``loop_factory``, its loops are made that way, else
    as the other resolver makes them. Calls of ``installed()``, ``uninstalled()`` and ``after_fork()`` are not passed
    on.
    """

    @abstractmethod
    def present(self) -> ContextResolver:
        """Return the resolver to which calls in the present context are passed on, called the present resolver below.

        Called at each get and set, in the thread and the context that it refers to; therefore it must be fast.
        """

    def get(self) -> AbstractEventLoop | None:
        """Return the loop that is bound here by the present resolver."""
        return self.present().get()

    def set(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop`` by the present resolver; ``None`` unbinds."""
        self.present().set(loop)

    def new(self) -> AbstractEventLoop:
        """Return a new loop, made by this resolver's own ``loop_factory``, else by the present resolver."""
        own = self._own_loop_factory()
        return self.present().new() if own is None else own()

    def applies(self) -> bool:
        """Return whether the present resolver applies."""
        return self.present().applies()

    def describe(self) -> str:
        """Return the name that the present resolver gives the context."""
        return self.present().describe()

    def binding(self) -> Binding | None:
        """Return the present resolver's binding."""
        return self.present().binding()

    def setter(self, other: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return a function that calls :meth:`present` at each set."""
        if self._overrides(DelegatingResolver, "set", "bindings"):
            return setter_of(lambda loop: self.bindings.bind(loop), other)
        # Here `bindings` would only look for overrides at each set, which takes a third of the time of the set.
        return setter_of(lambda loop: self.present().bindings.bind(loop), other)

    @property
    def bindings(self) -> Bindings:
        """The bindings of the present resolver. They call the ``set()`` of this resolver if a subclass overrides it."""
        bindings = self.present().bindings
        if self._overrides(DelegatingResolver, "set"):
            bindings = _SettingByOuter(bindings, self)
        return self._reporting(bindings)

    def _chosen_factory(self) -> LoopFactory | None:
        if self._overrides(DelegatingResolver, "new"):
            return self.new
        own = self._own_loop_factory()
        return factory_of(self.present()) if own is None else own

    def _broken(self, what: str, fix: str) -> ResolverError:
        try:
            return self.present()._broken(what, fix)
        except Exception:  # present() itself may be broken  # noqa: BLE001
            return super()._broken(what, fix)


@final
class _SettingByOuter(WrappedBindings):
    """The bindings of the present resolver, except that ``bind()`` calls ``set()`` of the resolver around it."""

    __slots__ = ("_outer",)

    def __init__(self, inner: Bindings, outer: DelegatingResolver) -> None:
        super().__init__(inner)
        self._outer = outer

    def bind(self, loop: AbstractEventLoop | None) -> None:
        self.inner.note_set()
        self._outer.set(loop)
