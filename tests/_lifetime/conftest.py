"""Fixtures that the tests of lifetimes share."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["asyncio", "uvloop"])
def outer_factory(request: pytest.FixtureRequest) -> str:
    """The kind of loop that runs outside of what is tested."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    kind: str = request.param
    return kind
