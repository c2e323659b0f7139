"""LoopLocal closes a resource before its loop is closed, under every common way to start and end a loop."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import LoopLocal
from tests.support.policies import collect_garbage
from tests.support.programs import run_python

aiohttp = pytest.importorskip("aiohttp", reason="needs the package aiohttp, which is not installed")


async def open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


class Closing:
    """Closes sessions, and logs the order of events."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.sessions = LoopLocal(open_session, close=self.close)
        self.seen: list[aiohttp.ClientSession] = []

    async def close(self, session: aiohttp.ClientSession) -> None:
        loop = asyncio.get_running_loop()
        assert session._loop is loop, "close() runs in the session's own loop"
        assert not session.closed
        await session.close()
        await asyncio.sleep(0)
        self.log.append("closed")

    async def stay(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            assert self.sessions.get_nowait() is self.seen[-1], "the session is open as long as tasks run"
            self.log.append("task ended")

    async def use(self) -> asyncio.AbstractEventLoop:
        self.seen.append(await self.sessions.get())
        loop: Any = asyncio.get_running_loop()
        loop.left = asyncio.ensure_future(self.stay())
        await asyncio.sleep(0)
        return loop


def by_asyncio_run(use: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(use())  # type: ignore[arg-type]


def by_our_runner(use: Callable[[], Awaitable[Any]]) -> Any:
    with ctxpolicy.Runner() as runner:
        runner.run(use())  # type: ignore[arg-type]
        return runner.run(use())  # type: ignore[arg-type]


def by_asyncios_runner(use: Callable[[], Awaitable[Any]]) -> Any:
    if sys.version_info < (3, 11):
        pytest.skip("asyncio.Runner exists from Python 3.11 on")
    with asyncio.Runner() as runner:
        runner.run(use())  # type: ignore[arg-type]
        return runner.run(use())  # type: ignore[arg-type]


def by_uvloop_run(use: Callable[[], Awaitable[Any]]) -> Any:
    uvloop = pytest.importorskip("uvloop", reason="needs the package uvloop, which is not installed")
    return uvloop.run(use())


def by_anyio_run(use: Callable[[], Awaitable[Any]]) -> Any:
    return pytest.importorskip("anyio", reason="needs the package anyio, which is not installed").run(use)


def by_anyios_portal(use: Callable[[], Awaitable[Any]]) -> Any:
    from_thread = pytest.importorskip("anyio.from_thread", reason="needs the package anyio, which is not installed")
    with from_thread.start_blocking_portal() as portal:
        portal.call(use)
        return portal.call(use)


def by_a_scope(use: Callable[[], Awaitable[Any]]) -> Any:
    with ctxpolicy.fresh_loop() as loop:
        return loop.run_until_complete(use())


def by_a_nested_run(use: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return ctxpolicy.block_on(use(), nested="isolated")

    return asyncio.run(main())


def by_isolate(use: Callable[[], Awaitable[Any]]) -> Any:
    loop = asyncio.run(ctxpolicy.isolate(use))
    ctxpolicy.close_isolate_pool()
    return loop


WAYS = [
    by_asyncio_run,
    by_asyncios_runner,
    by_our_runner,
    by_uvloop_run,
    by_anyio_run,
    by_anyios_portal,
    by_a_scope,
    by_a_nested_run,
    by_isolate,
]


@pytest.mark.parametrize("run", WAYS, ids=lambda run: run.__name__.removeprefix("by_"))
def test_a_client_is_closed_after_the_tasks_and_before_the_loop(run: Callable[[Any], Any]) -> None:
    closing = Closing()
    for _ in range(2):
        loop = run(closing.use)
        assert loop.is_closed()
        assert closing.log.pop() == "closed"
        assert set(closing.log) == {"task ended"}
        closing.log.clear()
    first, second = closing.seen[0], closing.seen[-1]
    assert first is not second
    assert first.closed
    assert second.closed


def get(listening: socket.socket) -> bytes:
    """Make one request, and return the body of the response."""
    with socket.create_connection(listening.getsockname()) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(1000), b"")).rpartition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("kind", ["none", "auto", "asyncio", "uvloop"])
def test_a_client_is_closed_with_uvicorns_server(kind: str) -> None:
    uvicorn = pytest.importorskip("uvicorn", reason="needs the package uvicorn, which is not installed")
    if kind == "uvloop":
        pytest.importorskip("uvloop", reason="needs the package uvloop, which is not installed")
    closing = Closing()

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await closing.use()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": b"%d" % len(set(closing.seen))})

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(application, loop=kind, lifespan="off", log_config=None))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        answers = [get(listening), get(listening)]
        server.should_exit = True
        thread.join()
    assert answers == [b"1", b"1"], "all requests use one client"
    assert closing.log == ["task ended", "task ended", "closed"]
    assert closing.seen[0].closed


# A server that sends itself a signal as soon as it accepts requests, and prints when its client is closed.
STOPPED_BY_A_SIGNAL = """
import asyncio, os, signal, sys, uvicorn
from ctxpolicy import LoopLocal

class Client:
    async def aclose(self):
        await asyncio.sleep(0)
        print("closed", flush=True)

clients = LoopLocal(Client, close=Client.aclose)

async def stop():
    while not server.started:
        await asyncio.sleep(0)
    signal.raise_signal(getattr(signal, sys.argv[1]))

async def application(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    await clients.get()
    stopping = asyncio.ensure_future(stop())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await stopping
    if "aclose" in sys.argv:
        await clients.aclose()
    await send({"type": "lifespan.shutdown.complete"})

server = uvicorn.Server(uvicorn.Config(application, port=0, loop=sys.argv[2], lifespan="on", log_config=None))
server.run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
@pytest.mark.parametrize("how", [["SIGTERM"], ["SIGTERM", "aclose"], ["SIGINT"], ["SIGINT", "aclose"]], ids=" ".join)
def test_a_client_must_be_closed_by_hand_if_uvicorn_ends_the_process_by_sigterm(how: list[str], kind: str) -> None:
    pytest.importorskip("uvicorn", reason="needs the package uvicorn, which is not installed")
    if kind == "uvloop":
        pytest.importorskip("uvloop", reason="needs the package uvloop, which is not installed")
    name, *by_hand = how
    done = run_python("-c", STOPPED_BY_A_SIGNAL, name, kind, *by_hand)
    # uvicorn raises the signal again. SIGINT has a handler, which shuts the loop down; SIGTERM has none.
    assert done.stdout.split() == (["closed"] if by_hand or name == "SIGINT" else []), done.stderr
    assert -done.returncode == getattr(signal, name)


PYTEST_INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
PYTEST_TESTS = """
import asyncio, aiohttp, pytest
from ctxpolicy import LoopLocal

async def open_session():
    return aiohttp.ClientSession()

async def close(session):
    await session.close()
    closed.append(session)

sessions = LoopLocal(open_session, close=close)
seen, closed = [], []

@pytest.mark.parametrize("number", range(3))
async def test_each_test_has_a_client_of_its_own(number):
    assert closed == seen
    assert all(session.closed for session in seen)
    seen.append(await sessions.get())
    assert not seen[-1].closed
    assert len(set(seen)) == number + 1

@pytest.mark.asyncio(loop_scope="class")
class TestsThatShareALoop:
    async def test_first(self):
        type(self).session = await sessions.get()

    async def test_second(self):
        assert await sessions.get() is self.session
        assert not self.session.closed

def test_all_are_closed():
    assert len(closed) == 4
"""


def test_a_client_is_closed_with_the_loop_of_each_test_of_pytest_asyncio(tmp_path: Path) -> None:
    pytest.importorskip("pytest_asyncio", reason="needs the package pytest-asyncio, which is not installed")
    (tmp_path / "pytest.ini").write_text(PYTEST_INI)
    # pytest-asyncio needs policies, even on a Python without them.
    (tmp_path / "conftest.py").write_text("from ctxpolicy.compat import restore_policies\nrestore_policies()\n")
    (tmp_path / "test_it.py").write_text(PYTEST_TESTS)
    alone = {"PYTEST_ADDOPTS": "-p pytest_asyncio.plugin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = run_python("-m", "pytest", "-p", "no:cacheprovider", cwd=tmp_path, **alone)
    assert "6 passed" in done.stdout, done.stdout + done.stderr
    assert (done.returncode, done.stderr) == (0, "")


def test_a_client_whose_loop_is_closed_without_shutdown_is_named_in_a_warning() -> None:
    closing = Closing()

    def leave() -> None:
        loop = asyncio.new_event_loop()
        session = loop.run_until_complete(closing.sessions.get())
        loop.run_until_complete(session.close())  # otherwise aiohttp warns too
        loop.close()

    with pytest.warns(ResourceWarning, match=r"never closed: <aiohttp.client.ClientSession"):
        leave()
        for _ in range(4):  # PyPy needs one round for each finalizer of a chain
            collect_garbage()
