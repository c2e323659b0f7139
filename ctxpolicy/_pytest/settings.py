"""What the user has asked the plugin for: by ini file, command line, and marker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, get_args

import pytest

from ctxpolicy._loops import loop_factory as named_loop_factory
from ctxpolicy._policy import Missing
from ctxpolicy._registry import make_resolver
from ctxpolicy.errors import CtxPolicyError
from ctxpolicy.resolvers.base import ContextResolver, LoopFactory

__all__ = ["FACTORY_FIXTURE", "FIXTURES", "MARKER", "Settings", "add_options", "of_item", "of_session"]

MARKER: Final = "ctxpolicy"
FACTORY_FIXTURE: Final = "ctxpolicy_loop_factory"
FIXTURES: Final = frozenset({"ctxpolicy_policy", "ctxpolicy_resolver", "ctxpolicy_loop", FACTORY_FIXTURE})
_LEAKS: Final = ("error", "warn", "ignore")
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
    """

    resolver: ContextResolver | str | None
    missing: Missing
    leaks: str
    factories: Sequence[LoopFactory | str]
    asyncio: bool


def add_options(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("ctxpolicy", "isolate tests from each other's event loops")
    group.addoption("--ctxpolicy", metavar="RESOLVER", help="isolate all tests by this resolver, such as contextvar")
    group.addoption("--ctxpolicy-leaks", choices=_LEAKS, help="what to do about what a test leaves behind")
    parser.addini("ctxpolicy", "isolate all tests by this resolver, such as contextvar", default="")
    parser.addini("ctxpolicy_missing", "what get_event_loop() does where there is no loop: asyncio, error or create")
    parser.addini("ctxpolicy_leaks", f"what to do about what a test leaves behind: {', '.join(_LEAKS)}")
    parser.addini("ctxpolicy_loop_factories", "loop factories by name: run each test that uses ctxpolicy_loop with each",
                  type="args", default=[])
    parser.addini("ctxpolicy_pytest_asyncio", "have pytest-asyncio run its tests with ctxpolicy_loop_factories",
                  type="bool", default=False)


def of_session(config: pytest.Config) -> Settings:
    """Return what holds for all tests.

    Raises:
        pytest.UsageError: a value cannot be used.
    """
    settings = Settings(
        resolver=config.getoption("--ctxpolicy") or config.getini("ctxpolicy") or None,
        missing=config.getini("ctxpolicy_missing") or "asyncio",
        leaks=config.getoption("--ctxpolicy-leaks") or config.getini("ctxpolicy_leaks") or "warn",
        factories=config.getini("ctxpolicy_loop_factories"),
        asyncio=config.getini("ctxpolicy_pytest_asyncio"),
    )
    return _checked(settings, "the configuration")


def of_item(item: pytest.Item, session: Settings) -> Settings:
    """Return what holds for one test: the session's settings, and its markers over them.

    Raises:
        pytest.UsageError: a marker's argument cannot be used.
    """
    given: dict[str, Any] = {}
    for marker in reversed(list(item.iter_markers(MARKER))):  # the closest one last
        unknown = marker.kwargs.keys() - set(_MARKER_OPTIONS)
        if marker.args or unknown:
            raise pytest.UsageError(
                f"{item.nodeid}: the marker {MARKER} takes {', '.join(_MARKER_OPTIONS)} by name, not "
                f"{', '.join([*map(repr, marker.args), *sorted(unknown)])}"
            )
        given.update(marker.kwargs)
    if not given and not item.get_closest_marker(MARKER) and not FIXTURES & set(getattr(item, "fixturenames", ())):
        return session
    if "loop_factory" in given:
        factories = given.pop("loop_factory")
        given["factories"] = list(factories) if isinstance(factories, (list, tuple)) else [factories]
    asked = replace(session, **{"resolver": session.resolver or "contextvar", **given})
    return _checked(asked, item.nodeid)


def _checked(settings: Settings, where: str) -> Settings:
    if settings.missing not in get_args(Missing):
        raise pytest.UsageError(f"{where}: ctxpolicy's missing must be one of {get_args(Missing)}, not {settings.missing!r}")
    if settings.leaks not in _LEAKS:
        raise pytest.UsageError(f"{where}: ctxpolicy's leaks must be one of {_LEAKS}, not {settings.leaks!r}")
    try:
        for factory in settings.factories:
            named_loop_factory(factory)
        if settings.resolver is not None:
            make_resolver(settings.resolver)
    except CtxPolicyError as error:
        raise pytest.UsageError(f"{where}: {error}") from error
    return settings
