"""What pytest loads at the start of every run: the options, the fixtures' names, and the question who asks for them.

It stands outside of the package, of which no module can be imported without asyncio (a fifth of the time that pytest
itself takes to start): a run that asks for nothing is not to pay for it. What does the work is imported when it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from ctxpolicy import ContextPolicy, ContextResolver
    from ctxpolicy._pytest.plugin import Plugin
    from ctxpolicy.resolvers.base import LoopFactory

MARKER: Final = "ctxpolicy"
FACTORY_FIXTURE: Final = "ctxpolicy_loop_factory"
LOOP_FIXTURE: Final = "ctxpolicy_loop"
FIXTURES: Final = frozenset({"ctxpolicy_policy", "ctxpolicy_resolver", LOOP_FIXTURE, FACTORY_FIXTURE})
LEAKS: Final = ("error", "warn", "ignore")
MISSING: Final = ("asyncio", "error", "create")
_STRINGS: Final = {
    "ctxpolicy": "isolate all tests by this resolver, such as contextvar",
    "ctxpolicy_missing": f"what get_event_loop() does where there is no loop: {', '.join(MISSING)}",
    "ctxpolicy_leaks": f"what to do about what a test leaves behind: {', '.join(LEAKS)}",
}
_FACTORIES: Final = "ctxpolicy_loop_factories"
_PYTEST_ASYNCIO: Final = "ctxpolicy_pytest_asyncio"
_KEY: Final = pytest.StashKey["Plugin"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("ctxpolicy", "isolate tests from each other's event loops")
    group.addoption("--ctxpolicy", metavar="RESOLVER", help=_STRINGS["ctxpolicy"])
    group.addoption("--ctxpolicy-leaks", choices=LEAKS, help=f"isolate all tests; {_STRINGS['ctxpolicy_leaks']}")
    for name, text in _STRINGS.items():
        parser.addini(name, text, default="")
    factories = f"loop factories by name: run each test that uses {LOOP_FIXTURE} with each"
    parser.addini(_FACTORIES, factories, type="args", default=[])
    loops = f"have pytest-asyncio make its loops by {_FACTORIES}"
    parser.addini(_PYTEST_ASYNCIO, loops, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker; begin at once where an option is given."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(resolver='contextvar', missing='asyncio', loop_factory=None, leaks='warn'): isolate this test's "
        "event loops; a list of loop factories runs the test with each.",
    )
    given = [config.getoption("--ctxpolicy"), config.getoption("--ctxpolicy-leaks")]
    if any([*given, *map(config.getini, [*_STRINGS, _FACTORIES, _PYTEST_ASYNCIO])]):
        _plugin(config)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Begin with the first test that asks, and have it parametrized."""
    if _KEY not in metafunc.config.stash and asks(metafunc.definition):
        _plugin(metafunc.config).pytest_generate_tests(metafunc)  # registered too late to be called for this one


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Begin with the first test that asks: none of unittest's is generated, and a marker may be added late."""
    if asks(item):
        _plugin(item.config)


def asks(item: pytest.Item) -> bool:
    """Tell whether a test asks to be isolated, by marker or by fixture."""
    return item.get_closest_marker(MARKER) is not None or not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


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
    """The factory that makes this test's loops; a parametrized test has each of them in turn."""
    return ctxpolicy_policy.factory_in_use()


@pytest.fixture
def ctxpolicy_loop(ctxpolicy_policy: ContextPolicy) -> Iterator[AbstractEventLoop]:
    """A loop of the test's own, leased to its context, and shut down after it."""
    from ctxpolicy import fresh_loop

    with fresh_loop() as loop:
        yield loop


def _plugin(config: pytest.Config) -> Plugin:
    """Return what does the work, from its first use on a plugin of its own."""
    plugin = config.stash.get(_KEY, None)
    if plugin is None:
        from ctxpolicy._pytest.plugin import Plugin

        plugin = config.stash[_KEY] = Plugin(config)
        config.pluginmanager.register(plugin, "ctxpolicy-isolation")
    return plugin
