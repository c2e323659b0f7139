"""The hooks of a session in which at least one test is isolated."""

from __future__ import annotations

import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, NoReturn

import pytest

from ctxpolicy._loops.factories import loop_factory
from ctxpolicy._pytest.factory_ids import factories_by_id
from ctxpolicy._pytest.isolated_test import IsolatedTest
from ctxpolicy._pytest.options import FACTORY_FIXTURE, LOOP_FIXTURE
from ctxpolicy._pytest.session import IsolatedSession
from ctxpolicy._pytest.settings import Settings, settings_of_session, settings_of_test

__all__ = ["CtxPolicyLeakWarning", "Plugin"]

# The suffix of the names of the fixtures in which pytest-asyncio (1.x) makes its loops.
_RUNNER_FIXTURES: Final = "_scoped_runner"
# The fixture of pytest-asyncio that returns the policy for its loops.
_POLICY_FIXTURE: Final = "event_loop_policy"
_TWO_POLICIES: Final = (
    "the fixture event_loop_policy is overridden: pytest-asyncio makes its loops with that policy, but the policy that "
    "isolates the tests is in force in them. Remove the fixture, name the loop factories in the option "
    "ctxpolicy_loop_factories, and set ctxpolicy_pytest_asyncio = true"
)
_RUNS_ONCE: Final = (
    "{test}: the marker's loop_factory is a list of several, but pytest can run this test only once, like every "
    "unittest.TestCase: name one loop factory, or make it a test function"
)
_UNUSED_FACTORY: Final = (
    "the marker's loop_factory does not reach pytest-asyncio, which makes this test's loop: set the option "
    "ctxpolicy_pytest_asyncio = true"
)
_TWO_HOOKS: Final = (
    "the hook pytest_asyncio_loop_factories is implemented by {others} too, and pytest-asyncio calls only one of the "
    "implementations: remove that one, and name its loop factories in the option ctxpolicy_loop_factories or in the "
    "marker's loop_factory, or remove the option ctxpolicy_pytest_asyncio"
)


class CtxPolicyLeakWarning(pytest.PytestWarning):
    """A test has left something behind, or the settings of another plugin conflict with its isolation."""

    __module__ = "ctxpolicy.pytest_plugin"  # the public name, which warning filters use


class Plugin:
    """The plugin in one pytest session.

    Attributes:
        settings: the settings for the session.
        item: the test that is isolated at present; ``None`` between tests.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.settings = settings_of_session(config)
        self.item: pytest.Item | None = None
        self._session: IsolatedSession | None = None
        self._leaks = "ignore"
        self._scheduled = False
        self._warned: set[str] = set()
        config.add_cleanup(self.close)
        if self.settings.for_pytest_asyncio:
            if not _pytest_asyncio_is_active(config):
                raise pytest.UsageError(
                    "ctxpolicy_pytest_asyncio is set, but pytest-asyncio is not installed or not active: remove the "
                    "option"
                )
            config.pluginmanager.register(_AsyncioLoops(self.settings), "ctxpolicy-asyncio-loops")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test once with each loop factory that its marker, or the session, names."""
        settings = settings_of_test(metafunc.definition, self.settings)
        uses = {FACTORY_FIXTURE, LOOP_FIXTURE} & set(metafunc.fixturenames)
        theirs = settings.for_pytest_asyncio and _is_run_by_pytest_asyncio(metafunc.definition)
        if len(settings.factories) > 1 and (uses or settings.from_marker) and not theirs:
            if FACTORY_FIXTURE not in metafunc.fixturenames:
                metafunc.fixturenames.append(FACTORY_FIXTURE)
            factories = factories_by_id(settings.factories)
            metafunc.parametrize(FACTORY_FIXTURE, [*factories.values()], indirect=True, ids=[*factories])

    # The last of the wrappers: pytest's own wrappers have started by then, and clean up if this one raises.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Begin the isolation of the test, before its fixtures are set up."""
        __tracebackhide__ = True
        try:
            self._set_up(item)
        except pytest.UsageError as error:
            _fail(str(error))
        result = yield
        self._schedule_end()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """Record what a fixture of a wider scope creates, and keep the test's policy in force."""
        __tracebackhide__ = True  # this frame is in the traceback of every fixture that fails
        if self.item is None:
            return (yield)
        self._schedule_end()
        test = self.isolated_test(self.item)
        if fixturedef.scope == "function":
            result = yield
        else:
            with test.outside_test(fixturedef.addfinalizer):
                result = yield
            test.fixtures.add_value(result)
        if fixturedef.argname.endswith(_RUNNER_FIXTURES):
            test.reinstate()
        return result

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Keep the test's policy in force if a fixture of a wider scope is torn down during the setup of the test.

        pytest does so when the test needs the fixture with another parameter.
        """
        if self.item is not None and fixturedef.scope != "function":
            self.isolated_test(self.item).reinstate()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, Any]:
        """End the isolation of a test whose setup has failed, because no finalizer was added for it."""
        __tracebackhide__ = True
        try:
            return (yield)
        finally:
            self._end()

    def isolated_test(self, item: pytest.Item) -> IsolatedTest:
        """Return the isolation of ``item``; begin it if it has not begun."""
        if self.item is None:  # the test's only request for isolation is a call of request.getfixturevalue()
            self._begin(item, settings_of_test(item, self.settings).with_resolver())
        assert self._session is not None
        assert self._session.test is not None
        return self._session.test

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()

    def _set_up(self, item: pytest.Item) -> None:
        settings = settings_of_test(item, self.settings)
        theirs = settings.for_pytest_asyncio and _is_run_by_pytest_asyncio(item)
        if settings.resolver is not None:
            settings = _with_parameter(item, settings)
            if settings.from_marker and len(settings.factories) > 1 and not theirs:
                raise pytest.UsageError(_RUNS_ONCE.format(test=item.nodeid))
            self._begin(item, settings)
        if theirs:
            self._warn_of_other_hooks(item)

    def _begin(self, item: pytest.Item, settings: Settings) -> None:
        """Isolate ``item`` from now until its last fixture is torn down."""
        self._session = self._session or IsolatedSession(self.settings)
        self._session.begin(settings)
        self.item, self._leaks, self._scheduled = item, settings.leaks, False
        self._warn_of_conflicts(item, settings)

    def _schedule_end(self) -> None:
        """End the isolation after the test's own fixtures are torn down, and before fixtures of a wider scope are."""
        if self.item is not None and not self._scheduled:
            self._scheduled = True
            self.item.addfinalizer(self._end)  # finalizers run in reverse order: this one is added before the fixtures'

    def _end(self) -> None:
        """End the isolation, if it has begun, and report the leaks of the test."""
        __tracebackhide__ = True
        item, self.item = self.item, None
        if item is None or self._session is None:
            return
        left = self._session.end()
        if left and self._leaks == "error":
            _fail("\n".join([f"{item.nodeid} left behind:", *(f"- {line}" for line in left)]))
        if self._leaks == "warn":
            _warn(item, left)

    def _warn_of_conflicts(self, item: pytest.Item, settings: Settings) -> None:
        if settings.from_marker and not settings.for_pytest_asyncio and _is_run_by_pytest_asyncio(item):
            self._warn_once(item, _UNUSED_FACTORY)
        # The first definition is pytest-asyncio's own fixture; a second definition overrides it.
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
    """The hook in which pytest-asyncio asks for loop factories; pytest-asyncio calls it for every async test."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @pytest.hookimpl(optionalhook=True)
    def pytest_asyncio_loop_factories(self, item: pytest.Item) -> Mapping[str, Callable[[], AbstractEventLoop]]:
        """Return the test's loop factories by test id."""
        factories = factories_by_id(settings_of_test(item, self._settings).factories or ["asyncio"])
        return {name: loop_factory(factory) for name, factory in factories.items()}


def _fail(text: str) -> NoReturn:
    # This frame must not be hidden: pytest complains if all frames are. `pytrace=False` shows none of them.
    raise pytest.fail.Exception(text, pytrace=False) from None


def _warn(item: pytest.Item, lines: list[str]) -> None:
    """Warn with each line; if a filter turns warnings into errors, raise one error with all of their lines."""
    __tracebackhide__ = True
    refused: list[str] = []
    for line in lines:
        try:
            item.warn(CtxPolicyLeakWarning(line))
        except CtxPolicyLeakWarning:
            refused.append(line)
    if refused:
        raise CtxPolicyLeakWarning("\n".join(refused))


def _is_run_by_pytest_asyncio(item: pytest.Item) -> bool:
    """Return whether pytest-asyncio runs ``item``; in its auto mode pytest-asyncio adds the marker itself."""
    return _pytest_asyncio_is_active(item.config) and item.get_closest_marker("asyncio") is not None


def _pytest_asyncio_is_active(config: pytest.Config) -> bool:
    # The plugin is not looked up by its name: with `-p pytest_asyncio.plugin` the plugin has the name of the module.
    module = sys.modules.get("pytest_asyncio.plugin")
    return module is not None and config.pluginmanager.is_registered(module)


def _with_parameter(item: pytest.Item, settings: Settings) -> Settings:
    parameters = getattr(item, "callspec", None)
    if parameters is not None and FACTORY_FIXTURE in parameters.params:
        return settings.with_factory(parameters.params[FACTORY_FIXTURE])
    return settings
