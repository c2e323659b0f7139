"""Makes a test without arguments from a method that takes a scenario."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any, TypeVar

from ctxpolicy.testing._harness.description import Description
from ctxpolicy.testing._harness.scenario import Scenario

__all__ = ["law", "law_of", "tests_of"]

D = TypeVar("D", bound=Description)


def law(number: int) -> Callable[[Callable[[D, Scenario], None]], Callable[[D], None]]:
    """Make the decorated method a test of law ``number``.

    The test runs in a contextvars context of its own. Therefore its bindings do not reach the next test. The test takes
    no arguments, and therefore runs both in pytest and in unittest.
    """

    def decorate(scene: Callable[[D, Scenario], None]) -> Callable[[D], None]:
        def test(self: D) -> None:
            __tracebackhide__ = True
            contextvars.copy_context().run(_run_scene, scene, self, number)

        # Not functools.wraps(): pytest follows __wrapped__, and would take the scenario for a fixture.
        test.__name__, test.__qualname__, test.__doc__ = scene.__name__, scene.__qualname__, scene.__doc__
        test.__module__ = scene.__module__
        test.law = number  # type: ignore[attr-defined]
        return test

    return decorate


def law_of(test: Callable[..., None]) -> int:
    """Return the number of the law that ``test`` tests."""
    number: int = test.law  # type: ignore[attr-defined]
    return number


def tests_of(contract: type[Description]) -> dict[str, Callable[[Any], None]]:
    """Return every test of the contract, by name."""
    found = {name: getattr(contract, name) for name in dir(contract) if name.startswith("test_")}
    return {name: test for name, test in found.items() if hasattr(test, "law")}


def _run_scene(scene: Callable[[D, Scenario], None], description: D, number: int) -> None:
    __tracebackhide__ = True
    with Scenario(description, number) as scenario:
        scene(description, scenario)
