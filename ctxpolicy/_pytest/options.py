"""The names of the plugin's options, marker and fixtures, and a check for tests that use them.

pytest loads this module in every run. It imports neither asyncio nor the rest of ctxpolicy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pytest

__all__ = [
    "FACTORIES",
    "FACTORY_FIXTURE",
    "FIXTURES",
    "LEAKS",
    "LOOP_FIXTURE",
    "MARKER",
    "MISSING",
    "PYTEST_ASYNCIO",
    "STRING_OPTIONS",
    "asks_for_isolation",
]

MARKER: Final = "ctxpolicy"
FACTORY_FIXTURE: Final = "ctxpolicy_loop_factory"
LOOP_FIXTURE: Final = "ctxpolicy_loop"
FIXTURES: Final = frozenset({"ctxpolicy_policy", "ctxpolicy_resolver", LOOP_FIXTURE, FACTORY_FIXTURE})
LEAKS: Final = ("error", "warn", "ignore")
MISSING: Final = ("asyncio", "error", "create")
FACTORIES: Final = "ctxpolicy_loop_factories"
PYTEST_ASYNCIO: Final = "ctxpolicy_pytest_asyncio"
# The ini options that take a string, with their help texts.
STRING_OPTIONS: Final = {
    "ctxpolicy": "isolate all tests with this resolver, such as contextvar",
    "ctxpolicy_missing": f"what get_event_loop() does in a context without a loop: {', '.join(MISSING)}",
    "ctxpolicy_leaks": f"what to do about what a test leaves behind: {', '.join(LEAKS)}",
}


def asks_for_isolation(item: pytest.Item) -> bool:
    """Return whether a test has the marker or uses one of the fixtures."""
    return item.get_closest_marker(MARKER) is not None or not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
