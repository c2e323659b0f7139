"""Overrides the resolver in one contextvars context: the setting behind ``using``, and how a policy looks it up.

A program that never calls ``using`` does not import this module. At the first call of ``using``, each policy wraps the
closures of this module around its own.
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
    "overriding_getter",
    "overriding_resolver",
    "overriding_setter",
]


class _Settings(ContextVarsRegistry):
    override: Any = None


_settings: Final = _Settings()
# The C getter of the variable, because reading the attribute of the registry takes four Python frames.
_present: Final[Callable[[], Override | None]] = _Settings.override.get_raw


@final
class Override:
    """A resolver that overrides the policy's resolver in a contextvars context and its copies.

    Attributes:
        resolver: the overriding resolver.
    """

    __slots__ = ("__weakref__", "_ended", "_outer", "_setting", "resolver")

    def __init__(self, resolver: ContextResolver) -> None:
        self.resolver = resolver
        self._outer: Override | None = None
        self._setting: AbstractContextManager[Any] | None = None
        self._ended = False

    def enter(self) -> None:
        """Put the override in effect in the present contextvars context."""
        self._outer = _present()
        self._setting = _settings(override=self)
        self._setting.__enter__()

    def leave(self) -> None:
        """Restore the previous override.

        Raises:
            InstallationError: the override was entered in another contextvars context, and stays in effect there. Or an
                override that was entered inside this one is still in effect. Then this one ends together with the inner
                one.
        """
        if _present() is not self:
            if self._is_outer_of_present():
                self._ended = True
                raise self._left_out_of_order()
            self._setting = None  # to break a reference cycle: the setting refers to this object
            raise self._left_elsewhere()
        try:
            self._reset()
        except ValueError as error:  # the present context is a copy of the context that entered the override
            raise self._left_elsewhere() from error
        while self._outer is not None and self._outer._ended:
            with contextlib.suppress(ValueError):  # raised if the outer override was entered in another context
                self._outer._reset()
            self._outer = self._outer._outer

    def _is_outer_of_present(self) -> bool:
        inner = _present()
        while inner is not None and inner is not self:
            inner = inner._outer
        return inner is not None

    def _reset(self) -> None:
        setting, self._setting = self._setting, None
        if setting is not None:
            setting.__exit__(None, None, None)

    def _left_out_of_order(self) -> InstallationError:
        return InstallationError(
            f"using({self.resolver!r}) is left, in thread {thread_name()}, before a using block that was entered "
            "inside it. Leave the inner block first. This block ends together with the inner one."
        )

    def _left_elsewhere(self) -> InstallationError:
        return InstallationError(
            f"using({self.resolver!r}) is left, in thread {thread_name()}, in another contextvars context than it was "
            "entered in. Enter and leave the block in the same task. Its resolver stays in effect in the context that "
            "it was entered in."
        )


def overriding_resolver() -> ContextResolver | None:
    """Return the resolver that overrides the policy's resolver in this contextvars context, or ``None``."""
    present = _present()
    return None if present is None else present.resolver


def overriding_getter(base: ContextResolver, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
    """Return a getter that calls the getter of the overriding resolver if there is one, else that of ``base``."""
    outside, inside, present = base.getter(miss), _OVERRIDING.getter(miss), _present

    def get_event_loop() -> AbstractEventLoop:
        return outside() if present() is None else inside()

    return get_event_loop


def overriding_setter(base: ContextResolver, other: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a setter that calls the setter of the overriding resolver if there is one, else that of ``base``."""
    outside, inside, present = base.setter(other), _OVERRIDING.setter(other), _present

    def set_event_loop(loop: Any) -> None:
        if present() is None:
            outside(loop)
        else:
            inside(loop)

    return set_event_loop


class _OverridingResolver(DelegatingResolver):
    """Delegates to the overriding resolver. It is called only if there is an overriding resolver."""

    def present(self) -> ContextResolver:
        resolver = overriding_resolver()
        assert resolver is not None
        return resolver


_OVERRIDING: Final = _OverridingResolver()
