"""What the tests of the loops' ends share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def collections_on_demand() -> Iterator[None]:
    """Let the garbage collector run only where a test calls it.

    The collector finalizes a cycle in the order in which its objects were created. If a collection comes while the
    cycle is still in use, the order changes, and so does who closes a loop first: its lease, its task or itself.
    """
    gc.disable()
    yield
    gc.enable()
