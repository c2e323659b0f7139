"""The plugin at work, in a session that asks for it."""

from __future__ import annotations

import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, NoReturn

import pytest

from ctxpolicy._loops.factories import loop_factory
from ctxpolicy._pytest.factory_ids import by_id
from ctxpolicy._pytest.isolated_test import Test
from ctxpolicy._pytest.options import FACTORY_FIXTURE, LOOP_FIXTURE
from ctxpolicy._pytest.session import Isolation
from ctxpolicy._pytest.settings import Settings, of_item, of_session

__all__ = ["CtxPolicyLeakWarning", "Plugin"]

# The fixtures by which pytest-asyncio (1.x) makes its loops, and the one that names the policy that it does so under.
_RUNNERS: Final = "_scoped_runner"
_POLICY_FIXTURE: Final = "event_loop_policy"
_TWO_POLICIES: Final = (
    "the fixture event_loop_policy is overridden: pytest-asyncio makes its loops by that policy, but the one that "
    "isolates the tests is in force in them. Remove the fixture, and name the loops by the options "
    "ctxpolicy_loop_factories and ctxpolicy_pytest_asyncio = true"
)
_NOT_BY_EACH: Final = (
    "{test}: the marker's loop_factory is a list of several, and pytest can run this test only once, as it does all of "
    "unittest's: name one, or make it a test of pytest's own"
)
_NOT_THEIR_LOOPS: Final = (
    "the marker's loop_factory does not reach pytest-asyncio, which makes this test's loop: set the option "
    "ctxpolicy_pytest_asyncio = true"
)
_TWO_HOOKS: Final = (
    "the hook pytest_asyncio_loop_factories is implemented by {others} too, and pytest-asyncio asks one of them only: "
    "remove that one, and name its loop factories by the option ctxpolicy_loop_factories or the marker's loop_factory, "
    "or remove the option ctxpolicy_pytest_asyncio"
)


class CtxPolicyLeakWarning(pytest.PytestWarning):
    """A test has left something behind, or its isolation is at odds with another plugin's settings."""

    __module__ = "ctxpolicy.pytest_plugin"  # by which filters name it


class Plugin:
    """The plugin in one pytest session."""

    def __init__(self, config: pytest.Config) -> None:
        self.settings = of_session(config)
        self.item: pytest.Item | None = None
        self._isolation: Isolation | None = None
        self._leaks = "ignore"
        self._scheduled = False
        self._warned: set[str] = set()
        config.add_cleanup(self.close)
        if self.settings.asyncio:
            if not _pytest_asyncio_is_active(config):
                raise pytest.UsageError(
                    "ctxpolicy_pytest_asyncio is set, but pytest-asyncio is not installed or not active: remove the "
                    "option"
                )
            config.pluginmanager.register(_AsyncioLoops(self.settings), "ctxpolicy-asyncio-loops")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test once with each loop factory that it, or the session, names."""
        settings = of_item(metafunc.definition, self.settings)
        uses = {FACTORY_FIXTURE, LOOP_FIXTURE} & set(metafunc.fixturenames)
        theirs = settings.asyncio and _is_pytest_asyncios(metafunc.definition)
        if len(settings.factories) > 1 and (uses or settings.chosen) and not theirs:
            if FACTORY_FIXTURE not in metafunc.fixturenames:
                metafunc.fixturenames.append(FACTORY_FIXTURE)
            factories = by_id(settings.factories)
            metafunc.parametrize(FACTORY_FIXTURE, [*factories.values()], indirect=True, ids=[*factories])

    # The last of the wrappers: those of pytest itself, which have begun by then, end well where this one raises.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Isolate the test, before its fixtures are made."""
        __tracebackhide__ = True
        try:
            self._set_up(item)
        except pytest.UsageError as error:
            _fail(str(error))
        result = yield
        self._schedule()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """Take note of what fixtures make that live longer than a test; let none of them put its policy over ours."""
        __tracebackhide__ = True  # it is in the traceback of every fixture that fails
        if self.item is None:
            return (yield)
        self._schedule()
        test = self.test(self.item)
        if fixturedef.scope == "function":
            result = yield
        else:
            with test.beneath(fixturedef.addfinalizer):
                result = yield
            test.owned.add_value(result)
        if fixturedef.argname.endswith(_RUNNERS):
            test.insist()
        return result

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Keep the test's policy in force where a fixture of another parameter ends while the test is set up."""
        if self.item is not None and fixturedef.scope != "function":
            self.test(self.item).insist()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, Any]:
        """End the isolation at the latest here: a test whose setup has failed had nothing scheduled."""
        __tracebackhide__ = True
        try:
            return (yield)
        finally:
            self._end()

    def test(self, item: pytest.Item) -> Test:
        """Return what isolates ``item``, from now on if nothing did before."""
        if self.item is None:  # it has asked for a fixture by request.getfixturevalue() only
            self._begin(item, of_item(item, self.settings).asked_for())
        assert self._isolation is not None
        assert self._isolation.test is not None
        return self._isolation.test

    def close(self) -> None:
        """End the session."""
        if self._isolation is not None:
            self._isolation.close()

    def _set_up(self, item: pytest.Item) -> None:
        settings = of_item(item, self.settings)
        theirs = settings.asyncio and _is_pytest_asyncios(item)
        if settings.resolver is not None:
            settings = _with_parameter(item, settings)
            if settings.chosen and len(settings.factories) > 1 and not theirs:
                raise pytest.UsageError(_NOT_BY_EACH.format(test=item.nodeid))
            self._begin(item, settings)
        if theirs:
            self._warn_of_other_hooks(item)

    def _begin(self, item: pytest.Item, settings: Settings) -> None:
        """Isolate ``item``, from now to the end of its last fixture."""
        self._isolation = self._isolation or Isolation(self.settings)
        self._isolation.begin(settings)
        self.item, self._leaks, self._scheduled = item, settings.leaks, False
        self._warn_of_conflicts(item, settings)

    def _schedule(self) -> None:
        """Have the test's end looked at when its own fixtures are gone, and before those go that live longer."""
        if self.item is not None and not self._scheduled:
            self._scheduled = True
            self.item.addfinalizer(self._end)  # called last, if added before those of its fixtures

    def _end(self) -> None:
        """End the isolation, if there is any, and report what was left behind."""
        __tracebackhide__ = True
        item, self.item = self.item, None
        if item is None or self._isolation is None:
            return
        left = self._isolation.end()
        if left and self._leaks == "error":
            _fail("\n".join([f"{item.nodeid} left behind:", *(f"- {line}" for line in left)]))
        if self._leaks == "warn":
            _warn(item, left)

    def _warn_of_conflicts(self, item: pytest.Item, settings: Settings) -> None:
        if settings.chosen and not settings.asyncio and _is_pytest_asyncios(item):
            self._warn_once(item, _NOT_THEIR_LOOPS)
        # pytest-asyncio's own fixture is the first definition; a second one is somebody's.
        if len(item.session._fixturemanager.getfixturedefs(_POLICY_FIXTURE, item) or ()) > 1:
            self._warn_once(item, _TWO_POLICIES)

    def _warn_of_other_hooks(self, item: pytest.Item) -> None:
        found = item.ihook.pytest_asyncio_loop_factories.get_hookimpls()
        others = [each.plugin for each in found if not isinstance(each.plugin, _AsyncioLoops)]
        if others:
            names = ", ".join(getattr(each, "__file__", None) or repr(each) for each in others)
            self._warn_once(item, _TWO_HOOKS.format(others=names))

    def _warn_once(self, item: pytest.Item, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            _warn(item, [text])


class _AsyncioLoops:
    """The hook by which pytest-asyncio asks for loop factories; it holds for every async test."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @pytest.hookimpl(optionalhook=True)
    def pytest_asyncio_loop_factories(self, item: pytest.Item) -> Mapping[str, Callable[[], AbstractEventLoop]]:
        """Return the test's factories by name."""
        factories = by_id(of_item(item, self._settings).factories or ["asyncio"])
        return {name: loop_factory(factory) for name, factory in factories.items()}


def _fail(text: str) -> NoReturn:
    # A frame that is not hidden, nor shown: pytest would say that all are hidden.
    raise pytest.fail.Exception(text, pytrace=False) from None


def _warn(item: pytest.Item, lines: list[str]) -> None:
    """Warn of each line, also where a filter makes an error of some: that names them all."""
    __tracebackhide__ = True
    refused: list[str] = []
    for line in lines:
        try:
            item.warn(CtxPolicyLeakWarning(line))
        except CtxPolicyLeakWarning:
            refused.append(line)
    if refused:
        raise CtxPolicyLeakWarning("\n".join(refused))


def _is_pytest_asyncios(item: pytest.Item) -> bool:
    """Tell whether pytest-asyncio runs ``item``: in its auto mode it marks what it runs, too."""
    return _pytest_asyncio_is_active(item.config) and item.get_closest_marker("asyncio") is not None


def _pytest_asyncio_is_active(config: pytest.Config) -> bool:
    # Not by a plugin's name, which is another one where -p names the module.
    module = sys.modules.get("pytest_asyncio.plugin")
    return module is not None and config.pluginmanager.is_registered(module)


def _with_parameter(item: pytest.Item, settings: Settings) -> Settings:
    parameters = getattr(item, "callspec", None)
    if parameters is not None and FACTORY_FIXTURE in parameters.params:
        return settings.with_factory(parameters.params[FACTORY_FIXTURE])
    return settings
