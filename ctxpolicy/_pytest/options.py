"""The names of the options, the marker and the fixtures, and whether a test asks for isolation."""

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
    "asks",
]

MARKER: Final = "ctxpolicy"
FACTORY_FIXTURE: Final = "ctxpolicy_loop_factory"
LOOP_FIXTURE: Final = "ctxpolicy_loop"
FIXTURES: Final = frozenset({"ctxpolicy_policy", "ctxpolicy_resolver", LOOP_FIXTURE, FACTORY_FIXTURE})
LEAKS: Final = ("error", "warn", "ignore")
MISSING: Final = ("asyncio", "error", "create")
FACTORIES: Final = "ctxpolicy_loop_factories"
PYTEST_ASYNCIO: Final = "ctxpolicy_pytest_asyncio"
# The ini options that take a string, with their help.
STRING_OPTIONS: Final = {
    "ctxpolicy": "isolate all tests by this resolver, such as contextvar",
    "ctxpolicy_missing": f"what get_event_loop() does where there is no loop: {', '.join(MISSING)}",
    "ctxpolicy_leaks": f"what to do about what a test leaves behind: {', '.join(LEAKS)}",
}


def asks(item: pytest.Item) -> bool:
    """Tell whether a test asks to be isolated, by marker or by fixture."""
    return item.get_closest_marker(MARKER) is not None or not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
