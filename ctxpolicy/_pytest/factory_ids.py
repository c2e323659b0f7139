"""The names by which test ids tell loop factories apart."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

__all__ = ["by_id"]


def by_id(factories: Sequence[Any]) -> dict[str, Any]:
    """Return the factories by ids, which are the same in every process of a run, and each given once."""
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
    # Not by repr(), which may hold an address: pytest-xdist stops where its workers' tests go by different ids.
    while isinstance(factory, functools.partial):
        factory = factory.func
    name = factory if isinstance(factory, str) else getattr(factory, "__qualname__", None)
    return name if isinstance(name, str) else type(factory).__qualname__
