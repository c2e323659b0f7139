"""Whether loops are reused on this Python: only if it counts references."""

from __future__ import annotations

import sys

import pytest

__all__ = ["PROVABLE", "provable"]

PROVABLE = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()
provable = pytest.mark.skipif(not PROVABLE, reason="references are not counted here, and no loop is reused")
