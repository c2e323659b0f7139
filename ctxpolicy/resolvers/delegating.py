"""The helper base class for resolvers around resolvers."""

from __future__ import annotations

from abc import abstractmethod
from asyncio import AbstractEventLoop
from typing import Any

from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.lease import Binding, Lease
from ctxpolicy.errors import ResolverError
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["DelegatingResolver"]


class DelegatingResolver(ContextResolver):
    """A resolver that passes every call on to another one: which, the subclass says."""

    @abstractmethod
    def present(self) -> ContextResolver:
        """Return the resolver that the present context belongs to."""

    def get(self) -> AbstractEventLoop | None:
        """Return the loop that the present resolver has bound here."""
        return self.present().get()

    def set(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop`` by the present resolver."""
        self.present().set(loop)

    def new(self) -> AbstractEventLoop:
        """Return a new loop of the present resolver."""
        return self.present().new()

    def factory(self) -> LoopFactory | None:
        """Return what makes the present resolver's loops."""
        return self.present().factory()

    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Have the present resolver do what ``set_event_loop(loop)`` asks for; by :meth:`set`, if overridden."""
        if self._overrides(DelegatingResolver, "set"):
            super().bind(loop)
        else:
            self.present().bind(loop)

    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        """Lease a loop by the present resolver."""
        return self.present().lease(factory)

    def clear(self) -> None:
        """Have the present resolver leave its context without a loop."""
        self.present().clear()

    def enter(self, lease: Lease) -> tuple[ContextResolver, Any]:
        """Have the present resolver bind the loop of ``lease``; it is the one to be left, whichever is present then."""
        present = self.present()
        return present, present.enter(lease)

    def holds(self, lease: Lease, previous: tuple[ContextResolver, Any]) -> bool:
        """Ask the resolver that was entered, if it is the present one."""
        entered, token = previous
        return entered is self.present() and entered.holds(lease, token)

    def leave(self, previous: tuple[ContextResolver, Any]) -> None:
        """Have the resolver that was entered restore the previous binding."""
        entered, token = previous
        entered.leave(token)

    def binding(self) -> Binding | None:
        """Return the present resolver's binding."""
        return self.present().binding()

    def mark(self) -> None:
        """Mark by the present resolver."""
        self.present().mark()

    def marked(self) -> bool:
        """Ask the present resolver."""
        return self.present().marked()

    def applies(self) -> bool:
        """Ask the present resolver."""
        return self.present().applies()

    def private(self) -> bool:
        """Ask the present resolver."""
        return self.present().private()

    def describe(self) -> str:
        """Have the present resolver name the context."""
        return self.present().describe()

    def _broken(self, what: str, fix: str) -> ResolverError:
        try:
            return self.present()._broken(what, fix)
        except Exception:  # it cannot even be told which one that is  # noqa: BLE001
            return super()._broken(what, fix)
