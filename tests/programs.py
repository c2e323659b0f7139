"""Run programs in interpreters of their own, where they can do to the process what a test may not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import ctxpolicy

__all__ = ["environment", "run_program"]

# Far more than any of the programs needs: only a hang is to end here.
_PATIENCE = 120


def environment(*folders: os.PathLike[str] | str, **variables: str) -> dict[str, str]:
    """Return this process's environment, with ctxpolicy as tested here and ``folders`` on the path for imports."""
    path = [*map(str, folders), str(Path(ctxpolicy.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), **variables}


def run_program(
    source: str, *args: str, flags: tuple[str, ...] = ("-W", "error"), env: Mapping[str, str] | None = None
) -> str:
    """Run ``source`` in a new interpreter, see that it ends well and silently, and return what it prints.

    Args:
        source: the program.
        args: its arguments.
        flags: the interpreter's options.
        env: its environment, else that of :func:`environment`.
    """
    command = [sys.executable, *flags, "-c", source, *args]
    done = subprocess.run(command, env=env or environment(), capture_output=True, text=True, timeout=_PATIENCE)
    assert (done.returncode, done.stderr) == (0, ""), f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()
