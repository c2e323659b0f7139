"""The pytest plugin. Each test starts without a current loop, and its leftovers do not reach the next test.

The plugin does nothing unless it is requested. The option ``ctxpolicy`` (in the ini file or on the command line)
requests it for all tests; the marker ``ctxpolicy`` and the ``ctxpolicy_...`` fixtures request it for one test.

pytest loads this module at the start of every run in an environment that has ctxpolicy installed. If pytest does not
search entry points, ``-p ctxpolicy.pytest_plugin`` loads it. Importing asyncio and the rest of ctxpolicy takes a fifth
of the time of pytest's own start. Therefore this module imports neither, and a run that does not use the plugin has no
cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

from ctxpolicy._pytest.options import (
    FACTORIES,
    LEAKS,
    LOOP_FIXTURE,
    MARKER,
    PYTEST_ASYNCIO,
    STRING_OPTIONS,
    asks_for_isolation,
)

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from ctxpolicy._loops.factories import LoopFactory
    from ctxpolicy._policy.policy import ContextPolicy
    from ctxpolicy._pytest.plugin import CtxPolicyLeakWarning, Plugin
    from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["CtxPolicyLeakWarning"]

_KEY: Final = pytest.StashKey["Plugin"]()


def __getattr__(name: str) -> object:
    if name != "CtxPolicyLeakWarning":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ctxpolicy._pytest.plugin import CtxPolicyLeakWarning

    return CtxPolicyLeakWarning


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("ctxpolicy", "isolate tests from each other's event loops")
    group.addoption("--ctxpolicy", metavar="RESOLVER", help=STRING_OPTIONS["ctxpolicy"])
    group.addoption("--ctxpolicy-leaks", choices=LEAKS, help=f"isolate all tests; {STRING_OPTIONS['ctxpolicy_leaks']}")
    for name, text in STRING_OPTIONS.items():
        parser.addini(name, text, default="")
    factories = f"names of loop factories: run each test that uses {LOOP_FIXTURE} once with each"
    parser.addini(FACTORIES, factories, type="args", default=[])
    loops = f"let pytest-asyncio make its loops with {FACTORIES}"
    parser.addini(PYTEST_ASYNCIO, loops, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker; register the rest of the plugin if an option is given."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(resolver='contextvar', missing='asyncio', loop_factory=None, leaks='warn'): isolate this test's "
        "event loops; with a list of loop factories, run the test once with each.",
    )
    given = [config.getoption("--ctxpolicy"), config.getoption("--ctxpolicy-leaks")]
    if any([*given, *map(config.getini, [*STRING_OPTIONS, FACTORIES, PYTEST_ASYNCIO])]):
        _plugin(config)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Register the rest of the plugin for the first test that requests isolation, and parametrize this test."""
    if _KEY not in metafunc.config.stash and asks_for_isolation(metafunc.definition):
        # pytest does not call this hook of the newly registered plugin for this test.
        _plugin(metafunc.config).pytest_generate_tests(metafunc)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Register the rest of the plugin for a test that requests isolation after ``pytest_generate_tests``.

    That hook is not called for tests of unittest. Also, a marker can be added later.
    """
    if asks_for_isolation(item):
        _plugin(item.config)


@pytest.fixture
def ctxpolicy_policy(request: pytest.FixtureRequest) -> ContextPolicy:
    """The policy in force in this test."""
    return _plugin(request.config).isolated_test(request.node).policy


@pytest.fixture
def ctxpolicy_resolver(ctxpolicy_policy: ContextPolicy) -> ContextResolver:
    """The resolver in force in this test."""
    return ctxpolicy_policy.resolver


@pytest.fixture
def ctxpolicy_loop_factory(request: pytest.FixtureRequest, ctxpolicy_policy: ContextPolicy) -> LoopFactory:
    """The loop factory in force in this test. A parametrized test gets each factory in turn."""
    return ctxpolicy_policy.factory_in_use()


@pytest.fixture
def ctxpolicy_loop(ctxpolicy_policy: ContextPolicy) -> Iterator[AbstractEventLoop]:
    """A loop for this test only. It is leased to the context of the test, and shut down after the test."""
    from ctxpolicy._lifetime.fresh_loop import fresh_loop

    with fresh_loop() as loop:
        yield loop


def _plugin(config: pytest.Config) -> Plugin:
    """Return the rest of the plugin; the first call imports and registers it."""
    plugin = config.stash.get(_KEY, None)
    if plugin is None:
        from ctxpolicy._pytest.plugin import Plugin

        plugin = config.stash[_KEY] = Plugin(config)
        config.pluginmanager.register(plugin, "ctxpolicy-isolation")
    return plugin
