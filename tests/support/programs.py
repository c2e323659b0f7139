"""Run programs in interpreters of their own, where they can do to the process what a test may not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import ctxpolicy

__all__ = ["ROOT", "environment", "output_of", "run_program", "run_python"]

ROOT = Path(__file__).parents[2]
# Far more than any of the programs needs: only a hang is to end here.
_PATIENCE = 300


def environment(*folders: os.PathLike[str] | str, **variables: str) -> dict[str, str]:
    """Return this process's environment, with ctxpolicy as tested here, the tests and ``folders`` to import from."""
    path = [*map(str, folders), str(Path(ctxpolicy.__file__).parents[1]), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), **variables}


def run_python(
    *arguments: str | Path, cwd: Path = ROOT, stdin: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python -W error ARGUMENTS``; it can import the tests as well.

    Args:
        arguments: the rest of the command line.
        cwd: the folder to run it in.
        stdin: what it reads.
        environ: environment variables, besides the present ones.
    """
    command = [sys.executable, "-W", "error", *map(str, arguments)]
    there = environment(**environ)
    return subprocess.run(
        command, cwd=cwd, env=there, input=stdin, capture_output=True, text=True, check=False, timeout=_PATIENCE
    )


def output_of(*arguments: str | Path, **options: str) -> str:
    """Return what a program prints, which must end well and complain of nothing."""
    return _output(run_python(*arguments, **options))


def run_program(
    source: str, *args: str, flags: tuple[str, ...] = ("-W", "error"), env: Mapping[str, str] | None = None
) -> str:
    """Run ``source``, see that it ends well and complains of nothing, and return what it prints.

    Args:
        source: the program.
        args: its arguments.
        flags: the interpreter's options.
        env: its environment, else that of :func:`environment`.
    """
    command = [sys.executable, *flags, "-c", source, *args]
    there = environment() if env is None else env
    return _output(
        subprocess.run(command, env=there, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    ).strip()


def _output(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, ""), f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
