"""The pytest plugin: each test starts without a current loop, and what it leaves does not reach the next one.

It does nothing until it is asked: by the ini option or command-line option ``ctxpolicy`` for all tests, by the marker
``ctxpolicy`` or one of the ``ctxpolicy_...`` fixtures for one test. pytest loads this module at the start of every run
in an environment that has ctxpolicy installed (where it is not installed, ``-p ctxpolicy.pytest_plugin`` loads it).
Therefore the module imports neither asyncio nor the rest of ctxpolicy, which would take a fifth of pytest's own start:
a run that does not use the plugin does not pay for it.
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
    asks,
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
    """Declare the options."""
    group = parser.getgroup("ctxpolicy", "isolate tests from each other's event loops")
    group.addoption("--ctxpolicy", metavar="RESOLVER", help=STRING_OPTIONS["ctxpolicy"])
    group.addoption("--ctxpolicy-leaks", choices=LEAKS, help=f"isolate all tests; {STRING_OPTIONS['ctxpolicy_leaks']}")
    for name, text in STRING_OPTIONS.items():
        parser.addini(name, text, default="")
    factories = f"loop factories by name: run each test that uses {LOOP_FIXTURE} with each"
    parser.addini(FACTORIES, factories, type="args", default=[])
    loops = f"have pytest-asyncio make its loops by {FACTORIES}"
    parser.addini(PYTEST_ASYNCIO, loops, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker; begin at once where an option is given."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(resolver='contextvar', missing='asyncio', loop_factory=None, leaks='warn'): isolate this test's "
        "event loops; a list of loop factories runs the test with each.",
    )
    given = [config.getoption("--ctxpolicy"), config.getoption("--ctxpolicy-leaks")]
    if any([*given, *map(config.getini, [*STRING_OPTIONS, FACTORIES, PYTEST_ASYNCIO])]):
        _plugin(config)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Begin with the first test that asks for isolation, and have it parametrized."""
    if _KEY not in metafunc.config.stash and asks(metafunc.definition):
        _plugin(metafunc.config).pytest_generate_tests(metafunc)  # registered too late to be called for this one


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Begin with the first test that asks: unittest's tests are never generated, and a marker may be added late."""
    if asks(item):
        _plugin(item.config)


@pytest.fixture
def ctxpolicy_policy(request: pytest.FixtureRequest) -> ContextPolicy:
    """The policy in force in this test."""
    return _plugin(request.config).test(request.node).policy


@pytest.fixture
def ctxpolicy_resolver(ctxpolicy_policy: ContextPolicy) -> ContextResolver:
    """The resolver in force in this test."""
    return ctxpolicy_policy.resolver


@pytest.fixture
def ctxpolicy_loop_factory(request: pytest.FixtureRequest, ctxpolicy_policy: ContextPolicy) -> LoopFactory:
    """The factory that makes this test's loops; a parametrized test gets each factory in turn."""
    return ctxpolicy_policy.factory_in_use()


@pytest.fixture
def ctxpolicy_loop(ctxpolicy_policy: ContextPolicy) -> Iterator[AbstractEventLoop]:
    """A loop of the test's own, leased to its context, and shut down after it."""
    from ctxpolicy._lifetime.fresh_loop import fresh_loop

    with fresh_loop() as loop:
        yield loop


def _plugin(config: pytest.Config) -> Plugin:
    """Return the plugin that does the work; the first call makes and registers it."""
    plugin = config.stash.get(_KEY, None)
    if plugin is None:
        from ctxpolicy._pytest.plugin import Plugin

        plugin = config.stash[_KEY] = Plugin(config)
        config.pluginmanager.register(plugin, "ctxpolicy-isolation")
    return plugin
