"""Scope a resolver to one contextvars context: the setting that ``using`` makes, and the resolver that heeds it.

Programs that never call ``using`` never come here: a policy puts the resolver around its own at the first ``using``.
"""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from ctxpolicy._contextvars import ContextVarsRegistry
from ctxpolicy.resolvers.base import ContextResolver
from ctxpolicy.resolvers.delegating import DelegatingResolver

__all__ = ["chosen", "choosing", "in_use", "is_scoped", "scoped", "start_use"]


class _Settings(ContextVarsRegistry):
    resolver: Any = None


_settings: Final = _Settings()
# The C getter: the descriptor's own way in Python costs four frames.
chosen: Final[Callable[[], ContextResolver | None]] = _Settings.resolver.get_raw


class _Use:
    started = False


def in_use() -> bool:
    """Tell whether ``using`` was ever called in this process."""
    return _Use.started


def start_use() -> None:
    """Have every policy made from now on heed ``using`` blocks."""
    _Use.started = True


def choosing(resolver: ContextResolver) -> AbstractContextManager[Any]:
    """Return a context manager: ``resolver`` is the chosen one in this contextvars context and its copies."""
    manager: AbstractContextManager[Any] = _settings(resolver=resolver)
    return manager


def scoped(base: ContextResolver) -> ContextResolver:
    """Return a resolver that is the chosen one where one is chosen, else ``base``."""
    return _ScopedResolver(base)


def is_scoped(resolver: ContextResolver) -> bool:
    """Tell whether ``resolver`` is made by :func:`scoped`."""
    return isinstance(resolver, _ScopedResolver)


class _ScopedResolver(DelegatingResolver):
    def __init__(self, base: ContextResolver) -> None:
        self.base = base

    def present(self) -> ContextResolver:
        return chosen() or self.base

    def getter(self, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
        base, choice, present = self.base.getter(miss), chosen, super().getter(miss)

        def get_event_loop() -> AbstractEventLoop:
            return base() if choice() is None else present()

        return get_event_loop

    def setter(self, other: Callable[[Any], None]) -> Callable[[Any], None]:
        base, choice, present = self.base.setter(other), chosen, super().setter(other)

        def set_event_loop(loop: Any) -> None:
            if choice() is None:
                base(loop)
            else:
                present(loop)

        return set_event_loop

    def installed(self) -> None:
        self.base.installed()

    def uninstalled(self) -> None:
        self.base.uninstalled()

    def __repr__(self) -> str:
        return repr(self.base)
