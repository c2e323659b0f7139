"""The loops of isolated calls are reused only if no code can tell them from new loops."""

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
    """Return a list that receives a number for each asyncio loop that is created in a thread of isolate()."""
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
    """Put a policy in force: asyncio's own, or ours with one of several resolvers."""
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
def test_an_unchanged_loop_is_reused_for_the_next_call(function, made):
    async def main() -> None:
        for _ in range(5):
            with contextlib.suppress(LookupError):
                await isolate(function)

    asyncio.run(main())
    assert len(made) == 1


def test_a_changed_loop_is_closed_and_replaced_by_another(made, threads: ThreadCache):
    kept: list[asyncio.AbstractEventLoop] = []

    async def keeps() -> None:
        kept.append(asyncio.get_running_loop())

    async def main() -> None:
        for _ in range(3):
            await isolate(keeps)
            assert kept[-1].is_closed()

    asyncio.run(main())
    assert len(made) == len(set(kept)) == 3


def test_networking_in_one_call_leaves_nothing_for_the_next_call(threads: ThreadCache):
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
def test_a_loop_of_a_custom_factory_is_never_reused(factory, made, threads: ThreadCache):
    async def main() -> None:
        for _ in range(3):
            await isolate(noop, loop_factory=factory)

    asyncio.run(main())
    assert len(made) == 3
    assert loop_pool._kept == []


@provable
@pytest.mark.parametrize("name", ["asyncio", "selector", asyncio.SelectorEventLoop])
def test_a_requested_loop_of_asyncios_own_kind_is_reused(name, made, threads: ThreadCache):
    async def main() -> None:
        for _ in range(3):
            await isolate(noop, loop_factory=name)

    asyncio.run(main())
    assert len(made) == 1


def test_without_reference_counting_no_loop_is_reused(monkeypatch, made, threads: ThreadCache):
    monkeypatch.setattr("ctxpolicy._loops.pool.refcount", None)

    async def main() -> None:
        for _ in range(3):
            await isolate(noop)

    asyncio.run(main())
    assert len(made) == 3


@provable
def test_isolated_calls_and_leases_share_the_kept_loops(made, threads: ThreadCache):
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
def test_a_loop_that_is_still_reachable_is_not_reused(keep: Callable[[], Any], made, threads: ThreadCache):
    kept: list[Any] = []

    async def keeps() -> None:
        kept.append(keep())

    async def main() -> None:
        for _ in range(3):
            await isolate(keeps)

    asyncio.run(main())
    assert len(made) == 3


@pytest.mark.usefixtures("threads")
def test_a_loop_whose_binding_is_kept_is_not_reused(made):
    with install() as installation:

        async def main() -> list[object]:
            return [await isolate(installation.policy.resolver.binding) for _ in range(3)]

        assert len(asyncio.run(main())) == len(made) == 3


@provable
@pytest.mark.usefixtures("threads")
def test_a_lease_that_is_kept_has_no_loop_after_the_call(made):
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


def test_a_loop_that_was_closed_is_not_reused(made, threads: ThreadCache):
    async def main() -> None:
        for _ in range(3):
            await isolate(lambda: asyncio.get_event_loop().close())

    asyncio.run(main())
    assert len(made) == 3


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_an_exit_exception_of_a_callback_after_the_function_is_done_ends_the_call_and_closes_the_loop(
    kind, made, threads: ThreadCache
):
    """The callback is ready when the loop is given back to the pool, and is run at that point."""

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
