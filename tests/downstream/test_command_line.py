"""Unmodified programs behave under ``python -m ctxpolicy run`` as they do under ``python`` itself."""

from __future__ import annotations

import http.client
import importlib.util
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.programs import environment, output_of, run_python

RESOLVERS = [
    "contextvar",
    "contextvar:inherit=any-thread",
    "thread",
    "task",
    "greenlet",
    "process",
    "chain:resolvers=task+thread",
]

SESSION = """
import asyncio, threading
await asyncio.sleep(0, "slept")
asyncio.get_event_loop() is asyncio.get_running_loop()
await asyncio.to_thread(abs, -3)
sorted(await asyncio.gather(*(asyncio.sleep(0, n) for n in range(3))))
1 / 0
threading.current_thread() is threading.main_thread()
"""

UNITTESTS = """
import asyncio, unittest

class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.loop = asyncio.get_running_loop()

    async def test_loop(self):
        self.assertIs(asyncio.get_event_loop(), self.loop)

    async def test_subprocess(self):
        child = await asyncio.create_subprocess_shell("exit 3")
        self.assertEqual(await child.wait(), 3)

class Sync(unittest.TestCase):
    def test_run(self):
        self.assertEqual(asyncio.run(asyncio.sleep(0, 5)), 5)
"""

APPLICATION = """
import asyncio, json

async def later(loop):
    return await asyncio.sleep(0, loop is asyncio.get_running_loop())

def sync():
    loop = asyncio.get_event_loop()
    return loop.run_until_complete(later(loop))

async def application(scope, receive, send):
    assert scope["type"] == "http"
    body = json.dumps(await asyncio.to_thread(sync)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.fixture(params=RESOLVERS)
def under(request: pytest.FixtureRequest) -> list[str]:
    """The first arguments of a command line that runs the rest of it, under each resolver in turn."""
    if request.param == "greenlet" and importlib.util.find_spec("greenlet") is None:
        pytest.skip("needs the package greenlet, which is not installed")
    return ["-m", "ctxpolicy", "run", "--resolver", request.param]


def repl(*under: str) -> tuple[str, str, int]:
    """Return the output of the asyncio REPL, and its exit status."""
    done = run_python(*under, "-m", "asyncio", stdin=SESSION)
    # The line number in the standard library depends on whether a result is ready before the REPL waits for it.
    return done.stdout, re.sub(r", line \d+,", "", done.stderr), done.returncode


@pytest.fixture(scope="module")
def plain_repl() -> tuple[str, str, int]:
    """The output of the asyncio REPL without ctxpolicy, and its exit status."""
    return repl()


def test_the_asyncio_repl_prints_the_same_as_under_python(under: list[str], plain_repl: tuple[str, str, int]) -> None:
    assert "'slept'" in plain_repl[0]
    assert repl(*under) == plain_repl


def test_unittest_runs_isolated_asyncio_test_cases(under: list[str], tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(UNITTESTS)
    done = run_python(*under, "-m", "unittest", "test_it", cwd=tmp_path)
    assert re.search(r"^Ran 3 tests.*^OK$", done.stderr, re.MULTILINE | re.DOTALL), done.stderr
    assert (done.stdout, done.returncode) == ("", 0)


@contextmanager
def uvicorn(*arguments: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start uvicorn from the command line, and yield its process and port."""
    command = [sys.executable, "-W", "error", *arguments, "application:application", "--port", "0", "--lifespan", "off"]
    with subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            log = ""
            for line in server.stderr:
                log += line
                port = re.search(r"running on http://127.0.0.1:(\d+)", line)
                if port:
                    yield server, int(port[1])
                    return
            pytest.fail(f"uvicorn has not started:\n{log}")
        finally:
            server.kill()


@pytest.mark.parametrize("loop", ["none", "auto"])
def test_uvicorn_serves_and_ends_on_ctrl_c(loop: str, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs the package uvicorn, which is not installed")
    (tmp_path / "application.py").write_text(APPLICATION)
    under = ["-m", "ctxpolicy", "run", "--resolver", "contextvar", "--missing", "create"]
    with uvicorn(*under, "-m", "uvicorn", "--loop", loop, folder=tmp_path) as (server, port):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(3):
            connection.request("GET", "/")
            assert json.load(connection.getresponse()) is True
        connection.close()
        server.send_signal(signal.SIGINT)
        _, log = server.communicate()
    assert "Finished server process" in log
    assert "Traceback" not in log
    assert server.returncode == 0


def test_pytest_asyncio_runs_from_the_command_line(tmp_path: Path) -> None:
    pytest.importorskip("pytest_asyncio", reason="needs the package pytest-asyncio, which is not installed")
    (tmp_path / "test_it.py").write_text("import asyncio\nasync def test(): assert await asyncio.sleep(0, True)\n")
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    )
    alone = {"PYTEST_ADDOPTS": "-p pytest_asyncio.plugin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    # pytest-asyncio needs policies, even on a Python without them.
    under = ["-m", "ctxpolicy", "run", "--resolver", "contextvar", "--loop", "selector", "--restore-policies"]
    assert "1 passed" in output_of(*under, "-m", "pytest", "-p", "no:cacheprovider", cwd=tmp_path, **alone)
