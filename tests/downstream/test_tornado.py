"""A tornado server and its client exchange requests, and tornado's IOLoop finds and makes asyncio's loops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import ctxpolicy
from ctxpolicy import ContextResolver, Installation
from tests.support.policies import in_thread

tornado = pytest.importorskip("tornado", reason="needs the package tornado, which is not installed")
from tornado import gen, httpclient, httpserver, ioloop, netutil, web  # noqa: E402


class Greet(web.RequestHandler):
    async def get(self, name: str) -> None:
        self.write({"hello": name})


class Measure(web.RequestHandler):
    @gen.coroutine
    def post(self) -> Iterator[object]:
        size = yield ioloop.IOLoop.current().run_in_executor(None, len, self.request.body)
        self.write(str(size))


async def exchange() -> list[bytes]:
    """Run a server and a client, and return what the client received."""
    (listening,) = netutil.bind_sockets(0, "127.0.0.1")
    server = httpserver.HTTPServer(web.Application([("/greet/(.*)", Greet), ("/measure", Measure)]))
    server.add_sockets([listening])
    client = httpclient.AsyncHTTPClient(force_instance=True)
    url = "http://{}:{}".format(*listening.getsockname())
    try:
        greetings = await asyncio.gather(*(client.fetch(f"{url}/greet/{name}") for name in "ab"))
        measured = await client.fetch(f"{url}/measure", method="POST", body=b"x" * 100_000)
        return [response.body for response in [*greetings, measured]]
    finally:
        client.close()
        server.stop()
        await server.close_all_connections()


EXPECTED = [b'{"hello": "a"}', b'{"hello": "b"}', b"100000"]


def test_server_and_client_exchange_requests(installed: Installation) -> None:
    assert asyncio.run(exchange()) == EXPECTED


def test_servers_in_several_threads_serve_at_once(installed: Installation) -> None:
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(asyncio.run, exchange()) for _ in range(2)]
        assert [result.result() for result in results] == [EXPECTED] * 2


def test_an_ioloop_of_its_own_runs_in_a_thread(installed: Installation) -> None:
    def own_loop() -> list[bytes]:
        loop = ioloop.IOLoop(make_current=False)
        try:
            return loop.run_sync(exchange)
        finally:
            loop.close()

    assert in_thread(own_loop) == EXPECTED


def test_the_current_ioloop_is_that_of_the_present_context(installed: Installation) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    current = ioloop.IOLoop.current()
    assert current.asyncio_loop is loop
    assert current.run_sync(exchange) == EXPECTED
    current.close()
    asyncio.set_event_loop(None)


def test_sync_code_in_threads_gets_an_ioloop_if_missing_loops_are_made(resolver: ContextResolver) -> None:
    def sync() -> tuple[list[bytes], asyncio.AbstractEventLoop]:
        current = ioloop.IOLoop.current()
        result = current.run_sync(exchange), current.asyncio_loop
        current.close()
        return result

    with ctxpolicy.install(resolver, missing="create"):
        result, loop = in_thread(sync)
        assert result == EXPECTED
        assert loop.is_closed()
