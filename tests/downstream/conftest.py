"""Real packages, unmodified, run under every resolver; no test may leave a loop open."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import ctxpolicy
from ctxpolicy import ContextResolver, Installation
from tests.support.resolver_cases import tenant

DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture(autouse=True)
def no_loop_left_open(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves an event loop open, regardless of which code made the loop, and close the loop."""
    previous = count_open_loops()
    yield
    request.node.funcargs.clear()  # otherwise pytest keeps this test's resolver alive, and so the resolver's leases
    for _ in range(4):  # PyPy needs several rounds for a cycle with finalizers
        if count_open_loops() <= previous:
            return
        gc.collect()
    left = open_loops()
    complaint = f"left open: {left}"
    for loop in left:
        loop.close()
    pytest.fail(complaint)


@pytest.fixture
def installed(resolver: ContextResolver) -> Iterator[Installation]:
    """An installation of every built-in resolver in turn, with a tenant for the resolvers that are keyed by tenant."""
    token = tenant.set("acme")
    with ctxpolicy.install(resolver) as installation:
        yield installation
    tenant.reset(token)


def count_open_loops() -> int:
    """Count the open loops by their epoll descriptors if /proc shows them: PyPy takes long to look at every object."""
    if not DESCRIPTORS.exists():
        return len(open_loops())
    return sum(target == "anon_inode:[eventpoll]" for target in map(read_link, DESCRIPTORS.iterdir()))


def read_link(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)
    except FileNotFoundError:  # the descriptor with which the folder was listed
        return ""


def open_loops() -> list[asyncio.AbstractEventLoop]:
    """Return every event loop that is open."""
    # type(), not isinstance(): that would ask every proxy object alive for its __class__.
    found = [thing for thing in gc.get_objects() if issubclass(type(thing), asyncio.AbstractEventLoop)]
    return [loop for loop in found if not loop.is_closed()]
