"""The loops of isolated calls: reused only where no code can tell that they have been used."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import install, isolate
from ctxpolicy._bridge.worker_threads import ThreadCache
from ctxpolicy._loops.pool import loop_pool
from tests.support.reuse import provable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="only selector loops are reused")


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """Start without loops that another test has left in the pool."""
    loop_pool.close()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for each loop of asyncio's that is created in a thread of isolate()."""
    numbers: list[int] = []
    init = asyncio.SelectorEventLoop.__init__

    def counting(self: Any, *args: Any) -> None:
        init(self, *args)
        if threading.current_thread().name == "ctxpolicy-isolate":
            numbers.append(len(numbers))

    monkeypatch.setattr(asyncio.SelectorEventLoop, "__init__", counting)
    return numbers


@pytest.fixture(params=[None, "contextvar", "thread", "process"])
def policy(request: pytest.FixtureRequest) -> Iterator[None]:
    """The policy in force: asyncio's own, and ours with several resolvers."""
    with contextlib.nullcontext() if request.param is None else install(request.param):
        yield


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


def raises() -> None:
    raise LookupError


@provable
@pytest.mark.usefixtures("policy", "threads")
@pytest.mark.parametrize("function", [noop, sleeps, has_a_timeout, gathers, iterates, raises, lambda: None])
def test_a_loop_that_is_as_new_after_a_call_is_used_for_the_next(function, made):
    async def main() -> None:
        for _ in range(5):
            with contextlib.suppress(LookupError):
                await isolate(function)

    asyncio.run(main())
    assert len(made) == 1


def test_a_loop_that_is_not_is_closed_and_another_takes_its_place(made, threads: ThreadCache):
    kept: list[asyncio.AbstractEventLoop] = []

    async def keeps() -> None:
        kept.append(asyncio.get_running_loop())

    async def main() -> None:
        for _ in range(3):
            await isolate(keeps)
            assert kept[-1].is_closed()

    asyncio.run(main())
    assert len(made) == len(set(kept)) == 3


def test_networking_there_leaves_nothing_to_the_next_call(threads: ThreadCache):
    async def state() -> tuple[int, int, int, int]:
        loop: Any = asyncio.get_running_loop()
        watched, transports = len(loop._selector.get_map()), len(loop._transports)
        return watched, transports, len(loop._scheduled), len(asyncio.all_tasks())

    async def main() -> None:
        new = await isolate(state)
        before = open_descriptors()
        for _ in range(5):
            await isolate(talks)
            assert await isolate(state) == new
        assert open_descriptors() == before

    asyncio.run(main())


def open_descriptors() -> int:
    """Count the open descriptors, without those of the loops that are kept for reuse."""
    loop_pool.close()
    return len(os.listdir("/dev/fd"))


class Special(asyncio.SelectorEventLoop):
    pass


@pytest.mark.parametrize("factory", [Special, lambda: asyncio.SelectorEventLoop()], ids=["class", "function"])
def test_a_loop_of_a_factory_of_your_own_is_never_used_again(factory, made, threads: ThreadCache):
    async def main() -> None:
        for _ in range(3):
            await isolate(noop, loop_factory=factory)

    asyncio.run(main())
    assert len(made) == 3
    assert loop_pool._kept == []


@provable
@pytest.mark.parametrize("name", ["asyncio", "selector", asyncio.SelectorEventLoop])
def test_a_loop_of_asyncios_own_kind_that_is_asked_for_is_used_again(name, made, threads: ThreadCache):
    async def main() -> None:
        for _ in range(3):
            await isolate(noop, loop_factory=name)

    asyncio.run(main())
    assert len(made) == 1


def test_where_references_are_not_counted_no_loop_is_used_again(monkeypatch, made, threads: ThreadCache):
    monkeypatch.setattr("ctxpolicy._loops.pool.refcount", None)

    async def main() -> None:
        for _ in range(3):
            await isolate(noop)

    asyncio.run(main())
    assert len(made) == 3


@provable
def test_calls_and_leases_use_the_same_loops(made, threads: ThreadCache):
    with install(missing="create"):
        contextvars.Context().run(lambda: asyncio.get_event_loop().get_debug())
        (kept,) = loop_pool._kept
        asyncio.run(isolate(noop))
        assert loop_pool._kept == [kept]
    assert made == []


KEEPS: dict[str, Callable[[], Any]] = {
    "loop": asyncio.get_running_loop,
    "method": lambda: asyncio.get_running_loop().call_soon_threadsafe,
    "future": lambda: asyncio.get_running_loop().create_future(),
    "weak reference": lambda: weakref.ref(asyncio.get_running_loop()),
    "weak set": lambda: weakref.WeakSet([asyncio.get_running_loop()]),
    "timer": lambda: asyncio.get_running_loop().call_later(100, print),
    "task": lambda: asyncio.current_task(),
}


@pytest.mark.parametrize("keep", KEEPS.values(), ids=KEEPS)
def test_a_loop_that_somebody_can_still_reach_is_not_as_new(keep: Callable[[], Any], made, threads: ThreadCache):
    kept: list[Any] = []

    async def keeps() -> None:
        kept.append(keep())

    async def main() -> None:
        for _ in range(3):
            await isolate(keeps)

    asyncio.run(main())
    assert len(made) == 3


@pytest.mark.usefixtures("threads")
def test_a_loop_whose_binding_somebody_keeps_is_not_as_new(made):
    with install() as installation:

        async def main() -> list[object]:
            return [await isolate(installation.policy.resolver.binding) for _ in range(3)]

        assert len(asyncio.run(main())) == len(made) == 3


@provable
@pytest.mark.usefixtures("threads")
def test_a_lease_that_somebody_keeps_has_no_loop_after_the_call(made):
    with install() as installation:

        def keeps() -> ctxpolicy.Lease:
            binding = installation.policy.resolver.binding()
            assert binding is not None
            assert binding.lease is not None
            return binding.lease

        async def main() -> list[ctxpolicy.Lease]:
            return [await isolate(keeps) for _ in range(3)]

        assert [lease.loop for lease in asyncio.run(main())] == [None] * 3
    assert len(made) == 1


def test_a_loop_that_was_closed_is_not_as_new(made, threads: ThreadCache):
    async def main() -> None:
        for _ in range(3):
            await isolate(lambda: asyncio.get_event_loop().close())

    asyncio.run(main())
    assert len(made) == 3


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_a_callback_raises_after_the_function_is_done_ends_the_call_and_closes_the_loop(
    kind, made, threads: ThreadCache
):
    """The callback is ready when the loop is given back, and is run then."""

    def leave() -> None:
        raise kind("leaving")

    async def leaves_a_callback() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, leave)

    async def main() -> str:
        try:
            await isolate(leaves_a_callback)
        except kind as error:
            return str(error)
        return "nothing"

    assert asyncio.run(main()) == "leaving"
    assert loop_pool._kept == []
    assert asyncio.run(isolate(max, 1, 2)) == 2
