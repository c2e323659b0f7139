"""What the user has asked the plugin for: by ini file, command line, and marker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from ctxpolicy._loops.factories import loop_factory
from ctxpolicy._pytest.options import LEAKS, MARKER, MISSING, asks
from ctxpolicy.errors import CtxPolicyError
from ctxpolicy.resolvers._registry import shared_resolver

__all__ = ["Settings", "of_item", "of_session"]

_DEFAULT: Final = "contextvar"
_MARKER_OPTIONS: Final = ("resolver", "missing", "loop_factory", "leaks")


@dataclass(frozen=True)
class Settings:
    """What holds for a session or a test.

    Attributes:
        resolver: a resolver or the name of one; ``None``: the plugin was not asked for.
        missing: as for ``ContextPolicy``.
        leaks: what to do about them: ``"error"``, ``"warn"`` or ``"ignore"``.
        factories: loop factories to run tests with that use ``ctxpolicy_loop``, and pytest-asyncio's if ``asyncio``.
        asyncio: whether pytest-asyncio is to make its loops by them.
        chosen: whether a marker names the factories, so that the test is run with each, whatever fixtures it uses.
    """

    resolver: Any
    missing: Any
    leaks: str
    factories: Sequence[Any]
    asyncio: bool
    chosen: bool = False

    @property
    def factory(self) -> Any:
        """The only loop factory, ``None`` where there are several or none."""
        return self.factories[0] if len(self.factories) == 1 else None

    def asked_for(self) -> Settings:
        """Return these, with the default resolver where there is none."""
        return replace(self, resolver=self.resolver or _DEFAULT)

    def with_factory(self, factory: Any) -> Settings:
        """Return these, with this loop factory alone."""
        return replace(self, factories=[factory])


def of_session(config: pytest.Config) -> Settings:
    """Return what holds for all tests.

    Raises:
        pytest.UsageError: a value cannot be used.
    """
    leaks = config.getoption("--ctxpolicy-leaks")
    settings = Settings(
        resolver=config.getoption("--ctxpolicy") or config.getini("ctxpolicy") or (_DEFAULT if leaks else None),
        missing=config.getini("ctxpolicy_missing") or "asyncio",
        leaks=leaks or config.getini("ctxpolicy_leaks") or "warn",
        factories=config.getini("ctxpolicy_loop_factories"),
        asyncio=config.getini("ctxpolicy_pytest_asyncio"),
    )
    return _checked(settings, "the configuration")


def of_item(item: pytest.Item, session: Settings) -> Settings:
    """Return what holds for one test: the session's settings, and its markers over them.

    Raises:
        pytest.UsageError: a marker's argument cannot be used.
    """
    markers = list(item.iter_markers(MARKER))
    if not markers:
        return session.asked_for() if asks(item) else session
    given: dict[str, Any] = {}
    for marker in reversed(markers):  # the closest one last
        _check_marker(marker, item.nodeid)
        given.update(marker.kwargs)
    if "loop_factory" in given:
        factories = given.pop("loop_factory")
        given["factories"] = list(factories) if isinstance(factories, (list, tuple)) else [factories]
        given["chosen"] = True
    return _checked(replace(session.asked_for(), **given), item.nodeid)


def _check_marker(marker: pytest.Mark, where: str) -> None:
    wrong = [*map(repr, marker.args), *sorted(marker.kwargs.keys() - set(_MARKER_OPTIONS))]
    if wrong:
        raise pytest.UsageError(
            f"{where}: the marker {MARKER} takes {', '.join(_MARKER_OPTIONS)}, each by name, not {', '.join(wrong)}"
        )


def _checked(settings: Settings, where: str) -> Settings:
    for name, value, choices in (
        ("missing", settings.missing, MISSING),
        ("leaks", settings.leaks, LEAKS),
    ):
        if value not in choices:
            raise pytest.UsageError(f"{where}: ctxpolicy's {name} must be one of {', '.join(choices)}, not {value!r}")
    if settings.resolver is not None or settings.factories:
        _check_names(settings, where)
    return settings


def _check_names(settings: Settings, where: str) -> None:
    try:
        for factory in settings.factories:
            loop_factory(factory)
        if settings.resolver is not None:
            shared_resolver(settings.resolver)
    except CtxPolicyError as error:
        raise pytest.UsageError(f"{where}: {error}") from error
