"""Calls ``binding_changed()`` of resolvers that override it. Other resolvers do not use this module."""

from __future__ import annotations

import functools
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, Final, Protocol, final

from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.lease import Lease
from ctxpolicy.resolvers._bindings import Bindings, WrappedBindings

__all__ = ["Change", "ReportedBindings", "reported_set", "reported_setter"]


class _Reporting(Protocol):
    def get(self) -> AbstractEventLoop | None: ...
    def binding_changed(self, previous: AbstractEventLoop | None, current: AbstractEventLoop | None) -> None: ...


class _Changing(threading.local):
    """The resolvers whose bindings are being changed in the present thread."""

    def __init__(self) -> None:
        self.resolvers: list[_Reporting] = []


_changing: Final = _Changing()


@final
class Change:
    """A block in which the binding of the present context may change. Its end reports the change to ``resolver``.

    Blocks of one resolver nest: ``bind()`` calls ``set()``, which calls ``super().set()``. Only the outermost block
    reports.
    """

    __slots__ = ("_outermost", "_previous", "_resolver")

    def __init__(self, resolver: _Reporting) -> None:
        self._resolver = resolver

    def __enter__(self) -> None:
        self._outermost = all(each is not self._resolver for each in _changing.resolvers)
        if self._outermost:
            self._previous = self._resolver.get()
            _changing.resolvers.append(self._resolver)

    def __exit__(self, *details: object) -> None:
        if not self._outermost:
            return
        _changing.resolvers.pop()  # the blocks of a thread end in reverse order
        current = self._resolver.get()
        if current is not self._previous:
            self._resolver.binding_changed(self._previous, current)


def reported_set(set_: Callable[..., None]) -> Callable[..., None]:
    """Return a wrapper of ``set_``, the ``set()`` method of a resolver. The wrapper also reports the change."""

    @functools.wraps(set_)
    def reported(self: Any, loop: AbstractEventLoop | None) -> None:
        with Change(self):
            set_(self, loop)

    reported.reports = True  # type: ignore[attr-defined]
    return reported


def reported_setter(setter: Callable[..., Callable[[Any], None]]) -> Callable[..., Callable[[Any], None]]:
    """Return a wrapper of ``setter``, a method of a resolver. The function that the wrapper returns reports changes."""

    @functools.wraps(setter)
    def reported(self: Any, other: Callable[[Any], None]) -> Callable[[Any], None]:
        bind = setter(self, other)

        def set_event_loop(loop: Any) -> None:
            with Change(self):
                bind(loop)

        return set_event_loop

    reported.reports = True  # type: ignore[attr-defined]
    return reported


@final
class ReportedBindings(WrappedBindings):
    """Reports each change that an operation of other bindings makes.

    Args:
        inner: the other bindings.
        resolver: the resolver to which changes are reported.
    """

    __slots__ = ("_resolver",)

    def __init__(self, inner: Bindings, resolver: _Reporting) -> None:
        super().__init__(inner)
        self._resolver = resolver

    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop``, and report the change."""
        with Change(self._resolver):
            self.inner.bind(loop)

    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        """Lease a loop, and report the change."""
        with Change(self._resolver):
            return self.inner.lease(factory)

    def clear(self) -> None:
        """Clear the context, and report the change."""
        with Change(self._resolver):
            self.inner.clear()

    def enter_scope(self, lease: Lease) -> Any:
        """Enter the scope, and report the change."""
        with Change(self._resolver):
            return self.inner.enter_scope(lease)

    def leave_scope(self, token: Any) -> None:
        """Leave the scope, and report the change."""
        with Change(self._resolver):
            self.inner.leave_scope(token)
