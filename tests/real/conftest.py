"""Real software, unmodified, under every resolver; each test ends with no loop left open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

import ctxpolicy
from ctxpolicy import ContextResolver, Installation
from tests.resolver_cases import tenant


@pytest.fixture(autouse=True)
def no_loop_left_open(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test after which an event loop is open that was not open before it, and close it."""
    former = open_loops()
    yield
    request.node.funcargs.clear()  # else pytest keeps this test's resolver, and what is leased by it
    left: list[asyncio.AbstractEventLoop] = []
    for _ in range(4):  # a cycle with finalizers takes PyPy several rounds
        left = [loop for loop in open_loops() if loop not in former]
        if not left:
            return
        gc.collect()
    for loop in left:
        loop.close()
    pytest.fail(f"left open: {left}")


@pytest.fixture
def installed(resolver: ContextResolver) -> Iterator[Installation]:
    """Every built-in resolver in turn, installed; for those that go by the tenant there is one."""
    token = tenant.set("acme")
    with ctxpolicy.install(resolver) as installation:
        yield installation
    tenant.reset(token)


def open_loops() -> list[asyncio.AbstractEventLoop]:
    """Return every event loop that is open, whoever made it."""
    # type(), not isinstance(): that would ask every proxy object alive for its __class__.
    found = [thing for thing in gc.get_objects() if issubclass(type(thing), asyncio.AbstractEventLoop)]
    return [loop for loop in found if not loop.is_closed()]
