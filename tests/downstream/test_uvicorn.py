"""uvicorn serves an ASGI application, whose sync part calls asyncio in worker threads."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import Installation
from tests.support.resolver_cases import ResolverCase, tenant

uvicorn = pytest.importorskip("uvicorn", reason="needs the package uvicorn, which is not installed")


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


# The loops that asyncio.get_event_loop() returned in sync views, in order.
given: list[asyncio.AbstractEventLoop] = []


def sync_view(number: int) -> int:
    """Call async code from sync code that has no loop argument."""
    loop = asyncio.get_event_loop()
    given.append(loop)
    return loop.run_until_complete(double(number))


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for phase in "startup", "shutdown":
            assert await receive() == {"type": f"lifespan.{phase}"}
            await send({"type": f"lifespan.{phase}.complete"})
        return
    name, number = scope["path"].rsplit("/", 2)[1], int(scope["path"].rpartition("/")[2])
    tenant.set(name)
    doubled = await (asyncio.to_thread(sync_view, number) if "sync" in scope["path"] else double(number))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(doubled).encode()})


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A listening socket on a free port; clients can connect before the server runs."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def get(listening: socket.socket, path: str) -> Any:
    """Make one request, with a client that does not use asyncio."""
    connection = http.client.HTTPConnection(*listening.getsockname())
    try:
        connection.request("GET", path)
        return json.load(connection.getresponse())
    finally:
        connection.close()


def make_server(loop: str = "none") -> uvicorn.Server:
    """Return a server that runs in a loop of the policy, or in one of the kind ``loop``."""
    return uvicorn.Server(uvicorn.Config(application, loop=loop, lifespan="on", log_config=None))


async def serve_and_ask(listening: socket.socket, *paths: str) -> list[Any]:
    """Serve, and request the paths one after the other; one worker thread does all sync work."""
    server = make_server()
    with ThreadPoolExecutor(1) as clients:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        answers = [await asyncio.wrap_future(clients.submit(get, listening, path)) for path in paths]
        server.should_exit = True
        await serving
    return answers


def test_requests_are_answered(installed: Installation, listening: socket.socket) -> None:
    assert asyncio.run(serve_and_ask(listening, "/plain/1", "/plain/2")) == [2, 4]


@pytest.mark.parametrize("loop", ["none", "auto"])
def test_a_server_in_a_thread_answers_requests(installed: Installation, listening: socket.socket, loop: str) -> None:
    server = make_server(loop)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    assert [get(listening, f"/plain/{n}") for n in range(3)] == [0, 2, 4]
    server.should_exit = True
    thread.join()


def test_sync_views_get_a_loop_if_there_is_none(resolver_case: ResolverCase, listening: socket.socket) -> None:
    if resolver_case.any_thread:
        pytest.skip("this resolver hands the server's running loop to its worker threads, as its options say")
    given.clear()
    with ctxpolicy.install(resolver_case.make(), missing="create"):
        assert asyncio.run(serve_and_ask(listening, "/sync/1", "/sync/2")) == [2, 4]
        each_its_own = given[0] is not given[1]
        assert each_its_own is resolver_case.name.startswith("contextvar")
    given.clear()


def test_each_request_is_isolated_by_its_contextvars_context(listening: socket.socket) -> None:
    given.clear()
    with ctxpolicy.install("contextvar", missing="create"):
        assert asyncio.run(serve_and_ask(listening, *(f"/sync/{n}" for n in range(4)))) == [0, 2, 4, 6]
    assert len(set(given)) == 4
    for _ in range(4):  # PyPy needs several rounds for a cycle with finalizers
        gc.collect()
    assert all(loop.is_closed() for loop in given)


def test_each_tenant_keeps_a_loop_until_it_is_released(listening: socket.socket) -> None:
    given.clear()
    resolver = ctxpolicy.KeyedResolver(tenant.get)
    paths = [f"/sync/{name}/{n}" for name, n in (("acme", 1), ("globex", 2), ("acme", 3))]

    async def serve() -> None:
        assert await serve_and_ask(listening, *paths) == [2, 4, 6]
        acme, globex, again = given
        assert acme is again is not globex
        resolver.release("acme")
        for _ in range(4):  # PyPy closes a released loop at its next collection
            gc.collect()
        assert (acme.is_closed(), globex.is_closed()) == (True, False)

    with ctxpolicy.install(resolver, missing="create"):
        asyncio.run(serve())
    given.clear()
