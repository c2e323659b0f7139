"""The requests per second of a real server with the policy installed, and without."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pyperf

from tests.benchmarks.measure import Effort, Measured, TimeFunction, compare
from tests.benchmarks.rows import Reach, Row

__all__ = ["ROWS"]

_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
_END = b"hello"
_CONNECTIONS = 8


def _http(effort: Effort) -> Measured:
    with _server("--installed") as ours, _server() as asyncios:
        # There are two servers. The one that receives no requests sleeps.
        took = compare(asyncios, ours, effort.longer(6), slice_seconds=0.02)
    return Measured(took.value, took.peer, took.subject)


@contextmanager
def _server(*options: str) -> Iterator[TimeFunction]:
    command = [sys.executable, "-m", "tests.benchmarks.http_server", *options]
    with ExitStack() as stack:
        server = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        assert server.stdin is not None
        assert server.stdout is not None
        stack.callback(server.stdin.close)
        address = ("127.0.0.1", int(server.stdout.readline()))
        clients = [stack.enter_context(socket.create_connection(address)) for _ in range(_CONNECTIONS)]
        yield lambda loops: _ask(clients, loops)


def _ask(clients: list[socket.socket], loops: int) -> float:
    rounds = -(-loops // len(clients))
    start = pyperf.perf_counter()
    for _ in range(rounds):
        for client in clients:
            client.sendall(_REQUEST)
        for client in clients:
            _read_answer(client)
    return (pyperf.perf_counter() - start) * loops / (rounds * len(clients))


def _read_answer(client: socket.socket) -> None:
    answer = b""
    while not answer.endswith(_END):
        received = client.recv(4096)
        if not received:
            raise ConnectionError("the server has closed the connection")
        answer += received
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


ROWS = [
    Row(
        "http", "HTTP requests per second of an aiohttp server, policy installed", "not installed", _http,
        reach=Reach(0.99, least=True, within_spread=True), needs=("aiohttp",),
    )
]  # fmt: skip
