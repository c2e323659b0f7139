"""Run programs under ``ctxpolicy run`` in forks of one process that has already imported ctxpolicy.

``python -m ctxpolicy run`` takes ten times the CPU time of ``python``, nearly all for imports. A fork runs the same
code from :func:`ctxpolicy._cli.main.start` on, at the same depth under ``python -m``, and ends as a process of its own.
The steps before that call are tested with processes of their own.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path

from tests.support.programs import environment
from tests.support.python_runs import Ended, Runs

_TIMEOUT = 120
_STREAMS = ("stdin", "stdout", "stderr")


class ForkServer:
    """The client: it starts the server process, and sends one program after the other to it.

    Args:
        folder: A folder for the standard streams of the programs.
        flags: The options of python itself.
    """

    def __init__(self, folder: Path, flags: tuple[str, ...]) -> None:
        self.flags = flags
        self._files = [folder / name for name in _STREAMS]
        requests, self._requests = os.pipe()
        self._replies, replies = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, *flags, "-m", __name__, str(requests), str(replies)],
            env=environment(),
            pass_fds=(requests, replies),
        )
        os.close(requests)
        os.close(replies)

    def run(self, folder: Path, args: list[str], stdin: str) -> Ended:
        """Run ``python -m ctxpolicy run ARGS`` in a folder."""
        for file, content in zip(self._files, (stdin, "", "")):
            file.write_text(content, "utf-8")
        request = {"folder": str(folder), "args": args, "streams": [str(file) for file in self._files]}
        os.write(self._requests, f"{json.dumps(request)}\n".encode())
        ready, _, _ = select.select([self._replies], [], [], _TIMEOUT)
        assert ready, f"no answer from the fork server about {args}"
        status = int(os.read(self._replies, 100) or b"1000")
        return Ended(status, *(file.read_text("utf-8") for file in self._files[1:]))

    def close(self) -> None:
        """Stop the server and wait until it ends."""
        os.close(self._requests)
        self._process.wait(_TIMEOUT)
        os.close(self._replies)


class ForkedRuns(Runs):
    """Runs ``python`` in a process of its own, and ``ctxpolicy run`` in a fork of the server."""

    def __init__(self, folder: Path, server: ForkServer) -> None:
        super().__init__(folder, flags=server.flags)
        self._server = server

    def ours(self, *args: str, stdin: str = "") -> Ended:
        """Run ``python -m ctxpolicy run ARGS``."""
        assert self.flags == self._server.flags
        return self._server.run(self.folder, [*self.options, *args], stdin)


def _await_request(requests: int, replies: int) -> None:
    """Fork for each request, and return in the fork only."""
    with os.fdopen(requests) as lines:
        for line in lines:
            pid = os.fork()
            if not pid:
                os.close(replies)
                _become(**json.loads(line))
                return
            _, status = os.waitpid(pid, 0)
            os.write(replies, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    raise SystemExit


def _become(folder: str, args: list[str], streams: list[str]) -> None:
    """Give this process the arguments, streams and folder of a ``python -m ctxpolicy run``."""
    os.chdir(folder)
    for number, file in enumerate(streams):
        os.dup2(os.open(file, os.O_RDWR), number)
    sys.argv[:] = ["ctxpolicy", "run", *args]
    sys.path[0] = folder


if __name__ == "__main__":
    from ctxpolicy._cli import child_processes, program  # noqa: F401  # imported for the forks
    from ctxpolicy._cli.main import start

    _await_request(*map(int, sys.argv[1:]))
    start()  # must be the last statement: a program that is run takes over this namespace
