"""Scope a resolver to one contextvars context: the setting that ``using`` makes, and how a policy heeds it.

Programs that never call ``using`` never come here: a policy puts these closures around its own at the first ``using``.
"""

from __future__ import annotations

import contextlib
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, final

from ctxpolicy._contextvars import ContextVarsRegistry
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import InstallationError
from ctxpolicy.resolvers.base import ContextResolver
from ctxpolicy.resolvers.delegating import DelegatingResolver

__all__ = [
    "Override",
    "enable_overrides",
    "overrides_enabled",
    "overriding_getter",
    "overriding_resolver",
    "overriding_setter",
]


class _Settings(ContextVarsRegistry):
    choice: Any = None


_settings: Final = _Settings()
# The C getter: the descriptor's own way in Python costs four frames.
_present: Final[Callable[[], Override | None]] = _Settings.choice.get_raw


@final
class Override:
    """A resolver chosen for a contextvars context and its copies, from :meth:`enter` to :meth:`leave`.

    Attributes:
        resolver: the resolver.
    """

    __slots__ = ("__weakref__", "_ended", "_outer", "_setting", "resolver")

    def __init__(self, resolver: ContextResolver) -> None:
        self.resolver = resolver
        self._outer: Override | None = None
        self._setting: AbstractContextManager[Any] | None = None
        self._ended = False

    def enter(self) -> None:
        """Choose the resolver here."""
        self._outer = _present()
        self._setting = _settings(choice=self)
        self._setting.__enter__()

    def leave(self) -> None:
        """Choose again what was chosen before.

        Raises:
            InstallationError: this is not the contextvars context that it was chosen in: it stays chosen there. Or
                another choice was made in it that still stands: this one ends together with that one.
        """
        if _present() is not self:
            if self._stands_below():
                raise self._out_of_order()
            self._setting = None  # which refers back to this object
            raise self._elsewhere()
        try:
            self._reset()
        except ValueError as error:  # a copy of that context
            raise self._elsewhere() from error
        while self._outer is not None and self._outer._ended:
            with contextlib.suppress(ValueError):  # this one was made in a copy of that one's context
                self._outer._reset()
            self._outer = self._outer._outer

    def _stands_below(self) -> bool:
        choice = _present()
        while choice is not None and choice is not self:
            choice = choice._outer
        self._ended = choice is not None
        return self._ended

    def _reset(self) -> None:
        setting, self._setting = self._setting, None
        if setting is not None:
            setting.__exit__(None, None, None)

    def _out_of_order(self) -> InstallationError:
        return InstallationError(
            f"using({self.resolver!r}) is left, in thread {thread_name()}, before a using block entered in it. "
            "Leave the last one first; this one ends together with that one."
        )

    def _elsewhere(self) -> InstallationError:
        return InstallationError(
            f"using({self.resolver!r}) is left, in thread {thread_name()}, in another contextvars context than the one "
            "that it was entered in: enter and leave it in the same task. It stays chosen there."
        )


def overriding_resolver() -> ContextResolver | None:
    """Return the resolver that is chosen in the present contextvars context, ``None`` where none is."""
    choice = _present()
    return None if choice is None else choice.resolver


class _Use:
    started = False


def overrides_enabled() -> bool:
    """Tell whether ``using`` was ever called in this process."""
    return _Use.started


def enable_overrides() -> None:
    """Have every policy made from now on heed ``using`` blocks."""
    _Use.started = True


def overriding_getter(base: ContextResolver, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
    """Return a getter that asks the chosen resolver where one is chosen, else ``base``."""
    outside, inside, present = base.getter(miss), _CHOSEN.getter(miss), _present

    def get_event_loop() -> AbstractEventLoop:
        return outside() if present() is None else inside()

    return get_event_loop


def overriding_setter(base: ContextResolver, other: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a setter that tells the chosen resolver where one is chosen, else ``base``."""
    outside, inside, present = base.setter(other), _CHOSEN.setter(other), _present

    def set_event_loop(loop: Any) -> None:
        if present() is None:
            outside(loop)
        else:
            inside(loop)

    return set_event_loop


class _ChosenResolver(DelegatingResolver):
    """Delegates to the chosen resolver; asked only where one is chosen."""

    def present(self) -> ContextResolver:
        resolver = overriding_resolver()
        assert resolver is not None
        return resolver


_CHOSEN: Final = _ChosenResolver()
