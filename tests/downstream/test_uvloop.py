"""uvloop's loops and uvloop's policy."""

from __future__ import annotations

import asyncio
import sys

import pytest

import ctxpolicy
from ctxpolicy import ContextResolver, Installation
from ctxpolicy._asyncio.host import host
from tests.support.policies import in_force, in_thread, uvloop_policy

uvloop = pytest.importorskip("uvloop", reason="needs the package uvloop, which is not installed")


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write((await reader.readline()).upper())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def exchange() -> tuple[type, bytes]:
    """Run a server and a client over a socket; return the class of the loop and what the client received."""
    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        received = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return type(asyncio.get_running_loop()), received


EXPECTED = (uvloop.Loop, b"HELLO\n")


def test_uvloop_run_runs_as_without_ctxpolicy(installed: Installation) -> None:
    assert uvloop.run(exchange()) == EXPECTED


def test_a_policy_with_uvloops_factory_makes_uvloops_loops_everywhere(resolver: ContextResolver) -> None:
    with ctxpolicy.install(resolver, loop_factory="uvloop"):
        assert asyncio.run(exchange()) == EXPECTED
        assert in_thread(asyncio.run, exchange()) == EXPECTED
        assert ctxpolicy.run(exchange()) == EXPECTED


def test_a_missing_loop_is_made_by_uvloop_and_ends_with_its_context(resolver: ContextResolver) -> None:
    with ctxpolicy.install(resolver, missing="create", loop_factory="uvloop"):
        loop = asyncio.get_event_loop()
        assert loop.run_until_complete(exchange()) == EXPECTED
        assert asyncio.get_event_loop() is loop


def test_run_scopes_uvloop_to_one_call(installed: Installation) -> None:
    assert ctxpolicy.run(exchange(), loop_factory="uvloop") == EXPECTED
    kind, received = asyncio.run(exchange())
    assert (issubclass(kind, asyncio.SelectorEventLoop), received) == (True, b"HELLO\n")


def test_over_uvloops_own_policy_new_loops_stay_uvloops(resolver: ContextResolver) -> None:
    with in_force(uvloop_policy()) as policy:
        with ctxpolicy.install(resolver):
            assert asyncio.run(exchange()) == EXPECTED
        assert host.in_force() is policy
        assert asyncio.run(exchange()) == EXPECTED
        with ctxpolicy.using(resolver):
            assert asyncio.run(exchange()) == EXPECTED
        assert host.in_force() is policy


async def child_says() -> bytes:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "print('hello')", stdout=asyncio.subprocess.PIPE)
    said, _ = await child.communicate()
    return said


def test_subprocesses_work_in_the_main_thread_and_in_others(resolver: ContextResolver) -> None:
    with ctxpolicy.install(resolver, loop_factory="uvloop"):
        assert asyncio.run(child_says()) == b"hello\n"
        assert in_thread(asyncio.run, child_says()) == b"hello\n"
