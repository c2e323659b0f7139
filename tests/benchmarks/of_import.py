"""The cost of importing ctxpolicy: the bare import, and the import of the first name that programs use."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from tests.benchmarks.measure import Effort, Measured, TimeFunction, difference
from tests.benchmarks.rows import Reach, Row

__all__ = ["ROWS"]


def _import(effort: Effort) -> Measured:
    return _milliseconds_more("import ctxpolicy", "pass", effort)


def _import_install(effort: Effort) -> Measured:
    return _milliseconds_more("from ctxpolicy import install", "import asyncio", effort)


def _milliseconds_more(subject: str, peer: str, effort: Effort) -> Measured:
    with tempfile.TemporaryDirectory() as cache:
        # The first processes fill the cache of compiled modules, and are not counted.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        subject_time, peer_time = _processes(subject, environment), _processes(peer, environment)
        seconds = difference(subject_time, peer_time, effort.longer(6), slice_seconds=0.05)
    return seconds._replace(value=seconds.value * 1000)


def _processes(code: str, environment: Mapping[str, str]) -> TimeFunction:
    def time(loops: int) -> float:
        # CPU time, because a process on a busy machine also waits for other processes.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(loops):
            subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    return time


ROWS = [
    Row("import", "`import ctxpolicy`", "a bare interpreter", _import, reach=Reach(3), unit="ms more"),
    Row(
        "import-install",
        "`from ctxpolicy import install`",
        "`import asyncio`",
        _import_install,
        reach=Reach(15),
        unit="ms more",
    ),
]
