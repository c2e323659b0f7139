"""The pytest plugin: each test starts without a current loop, and what it leaves does not reach the next one.

It does nothing until it is asked: by the ini option or command-line option ``ctxpolicy`` for all tests, by the marker
``ctxpolicy`` or one of the ``ctxpolicy_...`` fixtures for one test.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Generator, Iterator, Mapping
from typing import Any, Final

import pytest

from ctxpolicy._asyncio import leave_running, running_loop
from ctxpolicy._install import Installation
from ctxpolicy._lifetime.scope import fresh_loop
from ctxpolicy._loops import loop_factory as named_loop_factory
from ctxpolicy._policy import ContextPolicy
from ctxpolicy._pytest.leaks import Owned, Watch
from ctxpolicy._pytest.settings import FACTORY_FIXTURE, MARKER, Settings, add_options, of_item, of_session
from ctxpolicy._registry import shared_resolver
from ctxpolicy.resolvers.base import ContextResolver, LoopFactory

__all__ = ["CtxPolicyLeakWarning"]


class CtxPolicyLeakWarning(pytest.PytestWarning):
    """A test has left something behind."""


class _Plugin:
    """The session's settings and owned things, and what holds for the test that runs now."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.owned = Owned()
        self.installation: Installation | None = None
        self.leaks = "ignore"
        self._watch: Watch | None = None
        self._warned = False

    def begin(self, item: pytest.Item) -> None:
        settings = of_item(item, self.settings)
        if settings.resolver is None:
            return
        self._warn_of_conflict(item)
        policy = ContextPolicy(
            shared_resolver(settings.resolver), missing=settings.missing, loop_factory=_factory_of(item, settings)
        )
        policy.resolver.clear()
        if running_loop() is not None and running_loop() not in self.owned.loops:
            leave_running()
        self.leaks = settings.leaks
        self.installation = Installation(policy)
        self._watch = Watch(self.owned, policy)

    def end(self) -> list[str]:
        if self.installation is None or self._watch is None:
            return []
        installation, self.installation = self.installation, None
        left = self._watch.clean_up()
        installation.uninstall()
        return left

    def _warn_of_conflict(self, item: pytest.Item) -> None:
        # pytest-asyncio's own fixture is the first definition; a second one is somebody's.
        definitions = item.session._fixturemanager.getfixturedefs("event_loop_policy", item) or ()
        if len(definitions) > 1 and not self._warned:
            self._warned = True
            item.warn(
                CtxPolicyLeakWarning(
                    "the fixture event_loop_policy is overridden: pytest-asyncio puts its policy over the one that "
                    "isolates the tests. Remove it, and name the loops with the option ctxpolicy_loop_factories and "
                    "ctxpolicy_pytest_asyncio = true"
                )
            )


_KEY: Final = pytest.StashKey[_Plugin]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options; take part in pytest-asyncio only where that is asked for."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(resolver=None, missing='asyncio', loop_factory=None, leaks='warn'): isolate this test's event loops; "
        "a list of loop factories runs the test with each.",
    )
    settings = of_session(config)
    config.stash[_KEY] = _Plugin(settings)
    if settings.asyncio:
        if not config.pluginmanager.hasplugin("asyncio"):
            raise pytest.UsageError("ctxpolicy_pytest_asyncio is set, but pytest-asyncio is not installed or not active")
        config.pluginmanager.register(_AsyncioLoops(settings), "ctxpolicy-asyncio-loops")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once with each loop factory that it, or the session, names."""
    settings = of_item(metafunc.definition, metafunc.config.stash[_KEY].settings)
    uses = {FACTORY_FIXTURE, "ctxpolicy_loop"} & set(metafunc.fixturenames)
    marked = any("loop_factory" in marker.kwargs for marker in metafunc.definition.iter_markers(MARKER))
    if (uses or marked) and len(settings.factories) > 1:
        if FACTORY_FIXTURE not in metafunc.fixturenames:
            metafunc.fixturenames.append(FACTORY_FIXTURE)
        metafunc.parametrize(FACTORY_FIXTURE, list(settings.factories), indirect=True, ids=_factory_id)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Put the test's policy in force, before its fixtures are made."""
    item.config.stash[_KEY].begin(item)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Generator[None, Any, Any]:
    """Take note of what fixtures make that live longer than a test."""
    if fixturedef.scope == "function":
        return (yield)
    with request.config.stash[_KEY].owned.adding():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Look for what is left after the test's fixtures are gone, and restore what was in force."""
    plugin = item.config.stash[_KEY]
    try:
        return (yield)
    finally:
        _report(item, plugin.leaks, plugin.end())


def _report(item: pytest.Item, how: str, left: list[str]) -> None:
    if left and how == "error":
        pytest.fail("\n".join([f"{item.nodeid} left behind:", *(f"- {line}" for line in left)]), pytrace=False)
    if left and how == "warn":
        for line in left:
            item.warn(CtxPolicyLeakWarning(line))


@pytest.fixture
def ctxpolicy_policy(request: pytest.FixtureRequest) -> ContextPolicy:
    """The policy in force in this test."""
    installation = request.config.stash[_KEY].installation
    assert installation is not None
    return installation.policy


@pytest.fixture
def ctxpolicy_resolver(ctxpolicy_policy: ContextPolicy) -> ContextResolver:
    """The resolver in force in this test."""
    return ctxpolicy_policy.resolver


@pytest.fixture
def ctxpolicy_loop_factory(request: pytest.FixtureRequest) -> LoopFactory | str | None:
    """The loop factory of this run of the test, ``None`` for the policy's own."""
    return getattr(request, "param", None)


@pytest.fixture
def ctxpolicy_loop(ctxpolicy_loop_factory: LoopFactory | str | None) -> Iterator[AbstractEventLoop]:
    """A loop of the test's own, bound to its context, and shut down after it."""
    with fresh_loop(loop_factory=ctxpolicy_loop_factory) as loop:
        yield loop


class _AsyncioLoops:
    """The hook by which pytest-asyncio asks for loop factories; it holds for every async test."""

    def __init__(self, settings: Settings) -> None:
        factories = settings.factories or ["asyncio"]
        self._factories = {_factory_id(factory): named_loop_factory(factory) for factory in factories}

    @pytest.hookimpl(optionalhook=True)
    def pytest_asyncio_loop_factories(self) -> Mapping[str, LoopFactory]:
        return self._factories


def _factory_of(item: pytest.Item, settings: Settings) -> LoopFactory | str | None:
    chosen = getattr(item, "callspec", None)
    if chosen is not None and FACTORY_FIXTURE in chosen.params:
        factory: LoopFactory | str | None = chosen.params[FACTORY_FIXTURE]
        return factory
    return settings.factories[0] if len(settings.factories) == 1 else None


def _factory_id(factory: Any) -> str:
    return factory if isinstance(factory, str) else getattr(factory, "__qualname__", repr(factory))
