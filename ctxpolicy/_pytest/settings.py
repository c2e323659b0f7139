"""The plugin's settings for a session and for a test, from the ini file, the command line and markers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from ctxpolicy._loops.factories import loop_factory
from ctxpolicy._pytest.options import LEAKS, MARKER, MISSING, asks_for_isolation
from ctxpolicy.errors import CtxPolicyError
from ctxpolicy.resolvers._registry import shared_resolver

__all__ = ["Settings", "settings_of_session", "settings_of_test"]

_DEFAULT: Final = "contextvar"
_MARKER_OPTIONS: Final = ("resolver", "missing", "loop_factory", "leaks")


@dataclass(frozen=True)
class Settings:
    """The settings for a session or for a test.

    Attributes:
        resolver: a resolver, or the name of one; ``None``: do not isolate.
        missing: as for ``ContextPolicy``.
        leaks: what to do about leaks: ``"error"``, ``"warn"`` or ``"ignore"``.
        factories: loop factories; a test that uses ``ctxpolicy_loop`` runs once with each of them.
        for_pytest_asyncio: whether pytest-asyncio makes its loops with the factories too.
        from_marker: whether a marker names the factories; then the test runs once with each, whatever fixtures it uses.
    """

    resolver: Any
    missing: Any
    leaks: str
    factories: Sequence[Any]
    for_pytest_asyncio: bool
    from_marker: bool = False

    @property
    def factory(self) -> Any:
        """The loop factory, ``None`` if there are several or none."""
        return self.factories[0] if len(self.factories) == 1 else None

    def with_resolver(self) -> Settings:
        """Return these settings with the default resolver, if they name none."""
        return replace(self, resolver=self.resolver or _DEFAULT)

    def with_factory(self, factory: Any) -> Settings:
        """Return these settings with ``factory`` as the only loop factory."""
        return replace(self, factories=[factory])


def settings_of_session(config: pytest.Config) -> Settings:
    """Return the settings for all tests.

    Raises:
        pytest.UsageError: an option has a value that cannot be used.
    """
    leaks = config.getoption("--ctxpolicy-leaks")
    settings = Settings(
        resolver=config.getoption("--ctxpolicy") or config.getini("ctxpolicy") or (_DEFAULT if leaks else None),
        missing=config.getini("ctxpolicy_missing") or "asyncio",
        leaks=leaks or config.getini("ctxpolicy_leaks") or "warn",
        factories=config.getini("ctxpolicy_loop_factories"),
        for_pytest_asyncio=config.getini("ctxpolicy_pytest_asyncio"),
    )
    return _checked(settings, "the configuration")


def settings_of_test(item: pytest.Item, session: Settings) -> Settings:
    """Return the settings for one test: those of the session, overridden by the test's markers.

    Raises:
        pytest.UsageError: a marker has an argument that cannot be used.
    """
    markers = list(item.iter_markers(MARKER))
    if not markers:
        return session.with_resolver() if asks_for_isolation(item) else session
    given: dict[str, Any] = {}
    for marker in reversed(markers):  # the closest marker comes last, and overrides the others
        _check_marker(marker, item.nodeid)
        given.update(marker.kwargs)
    if "loop_factory" in given:
        factories = given.pop("loop_factory")
        given["factories"] = list(factories) if isinstance(factories, (list, tuple)) else [factories]
        given["from_marker"] = True
    return _checked(replace(session.with_resolver(), **given), item.nodeid)


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
