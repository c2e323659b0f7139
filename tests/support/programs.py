"""Run programs in separate interpreters, in which they may change the process as a test must not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import ctxpolicy

__all__ = ["ROOT", "environment", "output_of", "run_program", "run_python"]

ROOT = Path(__file__).parents[2]
# Far more seconds than any of the programs needs: only a program that hangs is ended.
_PATIENCE = 300


def environment(*folders: os.PathLike[str] | str, **variables: str) -> dict[str, str]:
    """Return the environment of this process, with the tested ctxpolicy, the tests and ``folders`` on the path."""
    path = [*map(str, folders), str(Path(ctxpolicy.__file__).parents[1]), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), **variables}


def run_python(
    *arguments: str | Path, cwd: Path = ROOT, stdin: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python -W error ARGUMENTS``. The program can import the tests too.

    Args:
        arguments: the rest of the command line.
        cwd: the working directory.
        stdin: the text of the standard input.
        environ: environment variables, in addition to the present ones.
    """
    command = [sys.executable, "-W", "error", *map(str, arguments)]
    there = environment(**environ)
    return subprocess.run(
        command, cwd=cwd, env=there, input=stdin, capture_output=True, text=True, check=False, timeout=_PATIENCE
    )


def output_of(*arguments: str | Path, **options: str) -> str:
    """Return the output of a program, which must end with status 0 and write nothing to the standard error."""
    return _output(run_python(*arguments, **options))


def run_program(
    source: str, *args: str, flags: tuple[str, ...] = ("-W", "error"), env: Mapping[str, str] | None = None
) -> str:
    """Run ``source``, check that it ends with status 0 and writes nothing to the standard error, and return its output.

    Args:
        source: the program.
        args: the arguments of the program.
        flags: the interpreter's options.
        env: the environment variables; ``None``: those of :func:`environment`.
    """
    command = [sys.executable, *flags, "-c", source, *args]
    there = environment() if env is None else env
    return _output(
        subprocess.run(command, env=there, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    ).strip()


def _output(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, ""), f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
