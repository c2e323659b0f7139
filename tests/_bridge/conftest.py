"""Fixtures of the tests of the bridge: no thread of isolate() stays from one test to the next."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ctxpolicy import close_isolate_pool
from ctxpolicy._bridge import isolate as isolate_module
from ctxpolicy._bridge.worker_threads import ThreadCache


@pytest.fixture(autouse=True)
def no_idle_threads() -> Iterator[None]:
    """End the threads of isolate(), the busy ones after their calls, and close the loops that are kept for reuse."""
    yield
    close_isolate_pool()
    for thread in threading.enumerate():
        if thread.name == "ctxpolicy-isolate":
            thread.join(60)  # each test opens its gates, therefore each call is about to end


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadCache]:
    """Replace the usual thread cache by one without threads, and return it."""
    cache = ThreadCache()
    monkeypatch.setattr(isolate_module, "thread_cache", cache)
    yield cache
    cache.close()


@pytest.fixture(params=["asyncio", "uvloop"])
def outer_factory(request: pytest.FixtureRequest) -> str:
    """Return the kind of the loop that runs in the thread of the test."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    kind: str = request.param
    return kind
