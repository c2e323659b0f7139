"""uvicorn serves an ASGI application, whose sync part calls asyncio in worker threads."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import Installation
from tests.resolver_cases import ResolverCase

uvicorn = pytest.importorskip("uvicorn", reason="needs the package uvicorn, which is not installed")


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def sync_view(number: int) -> int:
    """Call async code from sync code that is given no loop."""
    return asyncio.get_event_loop().run_until_complete(double(number))


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for phase in "startup", "shutdown":
            assert await receive() == {"type": f"lifespan.{phase}"}
            await send({"type": f"lifespan.{phase}.complete"})
        return
    number = int(scope["path"].rpartition("/")[2])
    doubled = await (asyncio.to_thread(sync_view, number) if "sync" in scope["path"] else double(number))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(doubled).encode()})


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A socket that takes connections before anybody serves them, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def get(listening: socket.socket, path: str) -> Any:
    """Make one request, with a client that knows nothing of asyncio."""
    connection = http.client.HTTPConnection(*listening.getsockname())
    try:
        connection.request("GET", path)
        return json.load(connection.getresponse())
    finally:
        connection.close()


def make_server(loop: str = "none") -> uvicorn.Server:
    """Return a server that leaves the choice of its loop to the policy, or makes one of the kind ``loop``."""
    return uvicorn.Server(uvicorn.Config(application, loop=loop, lifespan="on", log_config=None))


async def serve_and_ask(listening: socket.socket, path: str) -> list[Any]:
    server = make_server()
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    answers = await asyncio.gather(*(asyncio.to_thread(get, listening, f"{path}/{n}") for n in range(4)))
    server.should_exit = True
    await serving
    return answers


def test_requests_are_answered(installed: Installation, listening: socket.socket) -> None:
    assert asyncio.run(serve_and_ask(listening, "/plain")) == [0, 2, 4, 6]


@pytest.mark.parametrize("loop", ["none", "auto"])
def test_a_server_in_a_thread_answers_requests(installed: Installation, listening: socket.socket, loop: str) -> None:
    server = make_server(loop)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    assert [get(listening, f"/plain/{n}") for n in range(3)] == [0, 2, 4]
    server.should_exit = True
    thread.join()


def test_sync_views_get_a_loop_of_their_own(resolver_case: ResolverCase, listening: socket.socket) -> None:
    if resolver_case.any_thread:
        pytest.skip("this resolver hands the server's running loop to its worker threads, as it was asked to")
    with ctxpolicy.install(resolver_case.make(), missing="create"):
        assert asyncio.run(serve_and_ask(listening, "/sync")) == [0, 2, 4, 6]
