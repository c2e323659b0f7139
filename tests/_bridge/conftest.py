"""What the tests of lifetimes share: no thread of isolate() stays from one test to the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ctxpolicy import close_isolate_pool
from ctxpolicy._bridge import isolate as isolate_module
from ctxpolicy._bridge import isolated_call
from ctxpolicy._bridge.worker_threads import Pool


@pytest.fixture(autouse=True)
def no_idle_threads() -> Iterator[None]:
    """End the idle threads of isolate(), whose loops are leased."""
    yield
    close_isolate_pool()


@pytest.fixture
def small_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """A pool of one thread in place of the usual one."""
    pool = Pool(1)
    monkeypatch.setattr(isolate_module, "pool", pool)
    monkeypatch.setattr(isolated_call, "pool", pool)
    yield pool
    pool.close()


@pytest.fixture(params=["asyncio", "uvloop"])
def outer_factory(request: pytest.FixtureRequest) -> str:
    """The kind of the loop that runs under or beside what is tested."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    kind: str = request.param
    return kind
