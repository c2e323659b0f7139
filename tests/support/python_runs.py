"""Run the same program with ``python`` and with ``python -m ctxpolicy run``, and compare the status and the output."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.programs import environment

__all__ = ["Ended", "Runs"]

_PATIENCE = 120
# A traceback frame of the machinery by which -m finds and runs a module: its line, and the source and marks below it.
_MACHINERY = re.compile(
    # CPython 3.11 and later, PyPy, CPython 3.10
    r'^  File "(?:<(?:builtin>/)?frozen (?:runpy|importlib[._\w]*|zipimport)>?|[^"\n]*/(?:runpy|importlib/util)\.py)"'
    r".*\n(?:    .*\n)*",
    re.MULTILINE,
)
# The heading of the traceback of a SyntaxError without other frames.
_EMPTY_TRACEBACK = re.compile(r'^Traceback \(most recent call last\):\n(?=  File "[^"\n]*", line \d+\n)', re.MULTILINE)


class Ended(NamedTuple):
    """The exit status and the output of a process that has ended."""

    status: int
    out: str
    err: str

    def normal(self) -> Ended:
        """Return the same without the frames of runpy and importlib in tracebacks, and without addresses."""
        err = _EMPTY_TRACEBACK.sub("", _MACHINERY.sub("", self.err))
        return Ended(self.status, *(re.sub("0x[0-9a-f]+", "0x", text) for text in (self.out, err)))

    def as_text(self, title: str) -> str:
        """Return a readable text."""
        return f"--- {title}: exit status {self.status}\n{self.out}--- standard error\n{self.err}"


class Runs:
    """Runs programs in ``folder``.

    Args:
        folder: the working directory.
        options: the options of ``ctxpolicy run``.
        flags: the options of the interpreter, for both ways.
    """

    def __init__(self, folder: Path, options: Sequence[str] = (), flags: Sequence[str] = ("-W", "error")) -> None:
        self.folder = folder
        self.options = options
        self.flags = flags
        self.env = environment()

    def write(self, path: str, source: str) -> Path:
        """Write a file."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
        return file

    def python(self, *args: str, stdin: str = "") -> Ended:
        """Run ``python ARGS``."""
        return self._run([*self.flags, *args], stdin)

    def ours(self, *args: str, stdin: str = "") -> Ended:
        """Run ``python -m ctxpolicy run ARGS``."""
        return self._run([*self.flags, "-m", "ctxpolicy", "run", *self.options, *args], stdin)

    def both(self, *args: str, stdin: str = "") -> Ended:
        """Run the program both ways, check that only runpy's frames differ, and return the outcome of ours."""
        expected, found = self.python(*args, stdin=stdin).normal(), self.ours(*args, stdin=stdin).normal()
        assert found == expected, f"\n\n{expected.as_text('python')}\n\n{found.as_text('ctxpolicy run')}"
        return found

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start ``python -m ctxpolicy run ARGS``, and return without waiting for its end."""
        command = [sys.executable, *self.flags, "-m", "ctxpolicy", "run", *self.options, *args]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=pipe, stderr=pipe, text=True)

    def _run(self, args: list[str], stdin: str) -> Ended:
        done = subprocess.run(
            [sys.executable, *args],
            cwd=self.folder,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)
