"""Run the commands of a page's console blocks in the current folder: ``python tests/docs/run_console.py PAGE``.

A line that begins with ``$ `` is a command. The lines after a command are the output that is expected, in which ``...``
stands for any text. This program imports nothing of ctxpolicy, and can therefore run where nothing else is installed.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path


def commands(page: str) -> list[tuple[str, str]]:
    """Return the commands of a page, each with its expected output."""
    blocks = re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [
        (command, printed)
        for block in blocks
        for command, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]


def run(command: str, printed: str) -> None:
    """Run a command with this Python, and exit with a message if the output is not the expected one."""
    program, *arguments = shlex.split(command)
    assert program == "python", command
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=300, check=False)
    pattern = ".*?".join(map(re.escape, printed.split("...")))
    if not re.fullmatch(pattern, done.stdout, re.DOTALL):
        sys.exit(f"$ {command}\n{done.stdout}{done.stderr}\nis not what the page says:\n{printed}")
    print(f"$ {command}")


def main(page: str) -> None:
    for command, printed in commands(Path(page).read_text(encoding="utf-8")):
        run(command, printed)


if __name__ == "__main__":
    main(sys.argv[1])
