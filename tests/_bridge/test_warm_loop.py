"""Warm loops: used again exactly where nobody can tell that they were used."""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ctxpolicy import isolate
from ctxpolicy._bridge import warm_loop as warm_module
from ctxpolicy._bridge.warm_loop import WarmLoop
from ctxpolicy._bridge.worker_threads import Pool

PROVABLE = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()
provable = pytest.mark.skipif(not PROVABLE, reason="here nobody can prove that a loop is as new: none is used again")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[asyncio.AbstractEventLoop]]:
    """Every loop that was made for a call."""
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    def factory() -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop()
        loops.append(weakref.ref(loop, lambda _: None))
        return loop

    monkeypatch.setattr(warm_module, "platform_loop", factory)
    return loops


@pytest.fixture
def warm() -> Iterator[WarmLoop]:
    warm = WarmLoop(None)
    yield warm
    warm.close()


async def noop() -> None:
    pass


async def sleeps() -> None:
    await asyncio.sleep(0.001)


async def has_a_timeout() -> None:
    await asyncio.wait_for(asyncio.sleep(0.001), 100)


async def gathers() -> None:
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(5)))


async def talks() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1")
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def iterates() -> None:
    async def generate():
        yield 1

    assert [each async for each in generate()] == [1]


@provable
@pytest.mark.parametrize("function", [noop, sleeps, has_a_timeout, gathers, iterates, lambda: None])
def test_a_loop_that_is_as_new_after_a_call_is_used_for_the_next(function, made, small_pool: Pool):
    async def main() -> None:
        for _ in range(5):
            await isolate(function)

    asyncio.run(main())
    assert len(made) == 1


def test_a_loop_that_is_not_is_closed_and_another_takes_its_place(made, small_pool: Pool):
    kept: list[asyncio.AbstractEventLoop] = []

    async def keeps() -> None:
        kept.append(asyncio.get_running_loop())

    async def main() -> None:
        for _ in range(3):
            await isolate(keeps)
            assert kept[-1].is_closed()

    asyncio.run(main())
    assert len(made) == len(set(kept)) == 3


def test_networking_there_leaves_nothing_to_the_next_call(small_pool: Pool):
    async def main() -> None:
        for _ in range(5):
            await isolate(talks)

    asyncio.run(main())


def test_a_loop_of_another_kind_is_never_used_again():
    warm = WarmLoop(asyncio.SelectorEventLoop)
    assert not warm.clean()
    assert warm.loop.is_closed()


def test_where_nobody_counts_references_no_loop_is_used_again(monkeypatch):
    monkeypatch.setattr(warm_module, "refcount", None)
    warm = WarmLoop(None)
    assert not warm.clean()
    assert warm.loop.is_closed()


@provable
def test_a_new_loop_is_as_new(warm: WarmLoop):
    assert warm.clean()
    assert warm.clean()


@provable
def test_a_loop_that_was_closed_is_not_as_new(warm: WarmLoop):
    warm.loop.close()
    assert not warm.clean()


@provable
@pytest.mark.parametrize(
    "keep",
    [
        lambda warm: warm.loop,
        lambda warm: warm.lease,
        lambda warm: warm.lease.binding(),
        lambda warm: warm.loop.call_soon_threadsafe,
        lambda warm: warm.loop.create_future(),
        lambda warm: weakref.ref(warm.loop),
        lambda warm: weakref.WeakSet([warm.loop]),
        lambda warm: warm.loop.call_later(100, print),
    ],
    ids=["loop", "lease", "binding", "method", "future", "weak reference", "weak set", "timer"],
)
def test_a_loop_that_somebody_can_still_reach_is_not_as_new(keep: Callable[[WarmLoop], Any], warm: WarmLoop):
    kept = keep(warm)
    assert not warm.clean()
    assert kept is not None
