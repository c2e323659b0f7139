"""The names of loop factories in test ids."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

__all__ = ["factories_by_id"]


def factories_by_id(factories: Sequence[Any]) -> dict[str, Any]:
    """Return the factories by test id.

    Every factory has an id of its own, even if several factories have the same name. The ids are the same in every
    process of a test run.
    """
    found: dict[str, Any] = {}
    for factory in factories:
        name = unique = _name(factory)
        number = 1
        while unique in found:
            number += 1
            unique = f"{name}-{number}"
        found[unique] = factory
    return found


def _name(factory: Any) -> str:
    # Not repr(), which can contain an address: pytest-xdist stops if its workers collect tests with different ids.
    while isinstance(factory, functools.partial):
        factory = factory.func
    name = factory if isinstance(factory, str) else getattr(factory, "__qualname__", None)
    return name if isinstance(name, str) else type(factory).__qualname__
