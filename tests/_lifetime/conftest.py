"""Fixtures that the tests of lifetimes share."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["asyncio", "uvloop"])
def outer_factory(request: pytest.FixtureRequest) -> str:
    """Return the kind of the outer loop of a test."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    kind: str = request.param
    return kind
