"""Runs of pytest, each in a process that is forked from a warm process, which has imported pytest and ctxpolicy.

The imports are most of the cost of a short run. The forked process is as clean as a new one: the warm process only
imports modules. It runs no test, makes no loop and starts no thread.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.support.programs import environment

# Far longer than any run takes: only a run that hangs is killed.
_TIMEOUT = 300
# Not the modules that `-p` names: pytest warns that it cannot rewrite the assertions of modules already imported.
_PRELOADED = (
    "_pytest.config", "asyncio", "concurrent.futures.thread", "contextvars_extras", "unittest",
    "ctxpolicy._bridge.isolate", "ctxpolicy._lifetime.fresh_loop", "ctxpolicy._pytest.plugin",
)  # fmt: skip


class WarmProcess:
    """A process that forks one process for each run of pytest, one run after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests._pytest.warm_process import serve; serve()"],
            env=environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, arguments: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> pytest.RunResult:
        """Run pytest in a forked process, and return its result."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        started = time.perf_counter()
        outputs = [cwd / "stdout", cwd / "stderr"]
        request = {"arguments": arguments, "cwd": str(cwd), "environ": {**environ}, "outputs": [*map(str, outputs)]}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        texts = [path.read_text(encoding="utf-8", errors="backslashreplace") for path in outputs]
        for path, text, stream in zip(outputs, texts, (sys.stdout, sys.stderr)):
            path.unlink()
            stream.write(text)  # pytest shows it if the test fails
        duration = time.perf_counter() - started
        return pytest.RunResult(_exit_code(status), texts[0].splitlines(), texts[1].splitlines(), duration)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _exit_code(status: int) -> int | pytest.ExitCode:
    try:
        return pytest.ExitCode(status)
    except ValueError:
        return status


def serve() -> None:
    """Fork a process for each request on the standard input, and print its exit status."""
    for name in _PRELOADED:
        importlib.import_module(name)
    config: Any = sys.modules["_pytest.config"]
    for name in config.default_plugins:
        importlib.import_module(f"_pytest.{name}")
    gc.collect()
    if hasattr(gc, "freeze"):  # not on PyPy
        gc.freeze()  # the collections in each run skip what is imported here
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            _run_pytest(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _run_pytest(arguments: list[str], cwd: str, environ: dict[str, str], outputs: list[str]) -> NoReturn:
    """Do the same as ``python -m pytest``, and end as a Python process ends, with all reports of its finalization."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(cwd)
    sys.path[0] = cwd
    sys.argv = ["pytest", *arguments]
    signal.alarm(_TIMEOUT)
    sys.exit(pytest.main(arguments))
