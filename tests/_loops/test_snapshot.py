"""Where references are counted. The tests of leases and of isolate() show what the counts are used for."""

from __future__ import annotations

import sys

import pytest

from ctxpolicy._loops import snapshot


@pytest.mark.parametrize("counts", [True, False])
def test_free_threaded_builds_do_not_count(counts, monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: counts, raising=False)
    monkeypatch.setattr(sys, "getrefcount", len, raising=False)
    assert (snapshot._reference_counter() is len) is counts
