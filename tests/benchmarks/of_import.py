"""What importing ctxpolicy costs a program that has asyncio anyway."""

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
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}  # filled by the first processes, which do not count
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        ours, asyncios = (_processes(f"import {name}", environment) for name in ("ctxpolicy", "asyncio"))
        seconds = difference(ours, asyncios, effort.longer(6), slice_seconds=0.05)
    return seconds._replace(value=seconds.value * 1000)


def _processes(code: str, environment: Mapping[str, str]) -> TimeFunction:
    def time(loops: int) -> float:
        # The processor's time: what a process waits for on a busy machine is not of its making.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(loops):
            subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    return time


ROWS = [Row("import", "`import ctxpolicy`", "`import asyncio`", _import, reach=Reach(15), unit="ms more")]
