"""anyio: runs, task groups, worker threads, blocking portals and processes."""

from __future__ import annotations

import asyncio
import sys

import pytest

import ctxpolicy
from ctxpolicy import Installation
from tests.support.resolver_cases import ResolverCase

anyio = pytest.importorskip("anyio", reason="needs the package anyio, which is not installed")
from_thread = pytest.importorskip("anyio.from_thread", reason="needs the package anyio, which is not installed")
to_thread = pytest.importorskip("anyio.to_thread", reason="needs the package anyio, which is not installed")


async def double(number: int) -> int:
    await anyio.sleep(0)
    return 2 * number


async def double_all(numbers: range) -> list[int]:
    """Double each number in a task of its own, which sends the result over a stream."""
    send, receive = anyio.create_memory_object_stream[int]()

    async def one(number: int, sink: anyio.abc.ObjectSendStream[int]) -> None:
        async with sink:
            await sink.send(await double(number))

    async with anyio.create_task_group() as group:
        async with send:
            for number in numbers:
                group.start_soon(one, number, send.clone())
        async with receive:
            results = [result async for result in receive]
    return sorted(results)


def test_run_runs_a_task_group(installed: Installation) -> None:
    assert anyio.run(double_all, range(5)) == [0, 2, 4, 6, 8]


def test_cancel_scopes_cancel(installed: Installation) -> None:
    async def main() -> bool:
        with anyio.move_on_after(0) as scope:
            await anyio.sleep_forever()
        return scope.cancelled_caught

    assert anyio.run(main) is True


def test_worker_threads_call_back_into_the_loop(installed: Installation) -> None:
    def sync(number: int) -> int:
        return from_thread.run(double, number) + from_thread.run_sync(int, "1")

    async def main() -> int:
        return await to_thread.run_sync(sync, 3)

    assert anyio.run(main) == 7


def test_sync_code_in_worker_threads_gets_a_loop_of_its_own(resolver_case: ResolverCase) -> None:
    if resolver_case.any_thread:
        pytest.skip("this resolver hands the running loop to worker threads, as its options say")

    def sync(number: int) -> int:
        return asyncio.get_event_loop().run_until_complete(double_in_asyncio(number))

    async def double_in_asyncio(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def main() -> list[int]:
        return [await to_thread.run_sync(sync, number) for number in range(3)]

    with ctxpolicy.install(resolver_case.make(), missing="create"):
        assert anyio.run(main) == [0, 2, 4]


def test_a_blocking_portal_serves_sync_code(installed: Installation) -> None:
    with from_thread.start_blocking_portal() as portal:
        assert portal.call(double_all, range(3)) == [0, 2, 4]
        with portal.wrap_async_context_manager(portal.call(anyio.create_task_group)) as group:
            portal.call(group.start_soon, double, 1)


def test_two_portals_at_once_keep_their_loops(installed: Installation) -> None:
    with from_thread.start_blocking_portal() as one, from_thread.start_blocking_portal() as other:
        loops = [portal.call(asyncio.get_running_loop) for portal in (one, other, one)]
        assert loops[0] is loops[2]
        assert loops[0] is not loops[1]
        assert [one.call(double, 1), other.call(double, 2)] == [2, 4]


def test_a_socket_server_answers(installed: Installation) -> None:
    async def shout(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.send((await stream.receive()).upper())

    async def main() -> bytes:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, shout)
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(b"hello")
                received = await stream.receive()
            group.cancel_scope.cancel()
        return received

    assert anyio.run(main) == b"HELLO"


def test_processes_run(installed: Installation) -> None:
    async def main() -> bytes:
        finished = await anyio.run_process([sys.executable, "-c", "print('hello')"])
        return finished.stdout

    assert anyio.run(main) == b"hello\n"


def test_the_asyncio_backend_runs_on_uvloop_when_the_policy_says_so(resolver_case: ResolverCase) -> None:
    uvloop = pytest.importorskip("uvloop", reason="needs the package uvloop, which is not installed")

    async def kind() -> type:
        return type(asyncio.get_running_loop())

    with ctxpolicy.install(resolver_case.make(), loop_factory="uvloop"):
        assert anyio.run(kind) is uvloop.Loop


def test_trio_runs_while_a_policy_is_installed(installed: Installation) -> None:
    pytest.importorskip("trio", reason="needs the package trio, which is not installed")
    assert anyio.run(double_all, range(3), backend="trio") == [0, 2, 4]
