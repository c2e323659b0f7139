"""An aiohttp server and its client exchange requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

import ctxpolicy
from ctxpolicy import Installation

aiohttp = pytest.importorskip("aiohttp", reason="needs the package aiohttp, which is not installed")
web = pytest.importorskip("aiohttp.web", reason="needs the package aiohttp, which is not installed")


async def greet(request: web.Request) -> web.Response:
    return web.json_response({"hello": request.match_info["name"]})


async def measure(request: web.Request) -> web.Response:
    """Pass the body to sync code in a worker thread."""
    body = await request.read()
    return web.Response(text=str(await asyncio.to_thread(len, body)))


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data.upper())
    return socket


@asynccontextmanager
async def server() -> AsyncIterator[str]:
    """Run a server on a free port, and yield its address."""
    app = web.Application()
    app.add_routes([web.get("/greet/{name}", greet), web.post("/measure", measure), web.get("/echo", echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def exchange() -> tuple[list[str], list[str], list[str]]:
    """Run a server and a client; return the responses to concurrent GETs, to POSTs, and over a WebSocket."""
    async with server() as url, aiohttp.ClientSession(url) as session:

        async def get(name: str) -> str:
            async with session.get(f"/greet/{name}") as response:
                return (await response.json())["hello"]

        async def post(size: int) -> str:
            async with session.post("/measure", data=b"x" * size) as response:
                return await response.text()

        async with session.ws_connect("/echo") as socket:
            await socket.send_str("one")
            await socket.send_str("two")
            echoed = [await socket.receive_str(), await socket.receive_str()]
        greeted = await asyncio.gather(*(get(name) for name in "abcdefgh"))
        return greeted, [await post(0), await post(100_000)], echoed


EXPECTED = (list("abcdefgh"), ["0", "100000"], ["ONE", "TWO"])


def test_server_and_client_exchange_requests(installed: Installation) -> None:
    assert asyncio.run(exchange()) == EXPECTED


def test_servers_in_several_threads_serve_at_once(installed: Installation) -> None:
    with ThreadPoolExecutor(3) as pool:
        results = [pool.submit(asyncio.run, exchange()) for _ in range(3)]
        assert [result.result() for result in results] == [EXPECTED] * 3


def test_two_servers_in_one_loop_each_use_a_resolver_of_their_own() -> None:
    async def serve(resolver: str) -> bool:
        with ctxpolicy.using(resolver):
            own = asyncio.new_event_loop()
            asyncio.set_event_loop(own)
            assert await exchange() == EXPECTED
            kept = policy.get_event_loop() is own
            asyncio.set_event_loop(None)
            own.close()
        return kept

    async def both() -> list[bool]:
        return await asyncio.gather(serve("contextvar"), serve("task"))

    with ctxpolicy.install("thread") as installation:
        policy = installation.policy
        assert asyncio.run(both()) == [True, True]


def test_a_session_made_by_sync_code_works_in_the_loop_it_was_made_in(installed: Installation) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    async def use() -> list[str]:
        return (await exchange())[0]

    assert asyncio.get_event_loop().run_until_complete(use()) == EXPECTED[0]
    assert asyncio.get_event_loop() is loop
    asyncio.set_event_loop(None)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
