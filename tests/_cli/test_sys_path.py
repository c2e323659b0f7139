"""What ctxpolicy imports on its own account is not looked for beside the program, and what options name is."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ctxpolicy._cli.sys_path import program_folder_last
from tests.support.python_runs import Runs

# What ctxpolicy itself, and what it imports, could find beside a program.
BESIDE = ("argparse", "bz2", "calendar", "csv", "email", "json", "multiprocessing", "pickle", "pkgutil", "platform",
          "random", "shutil", "tempfile", "zipfile",
          # What is not installed may be had there.
          *filter(find_spec, ("greenlet", "trio", "uvloop")))  # fmt: skip
NAMED = """
import ctxpolicy
from asyncio import SelectorEventLoop

class Own(ctxpolicy.ThreadResolver):
    pass

def current():
    return "acme"
"""
OPTIONS = (
    "",
    "--missing create --loop uvloop",
    "--missing error --loop named:SelectorEventLoop",
    "--missing asyncio --resolver greenlet:running=true",
    "--resolver chain:resolvers=trio+thread",
    "--resolver chain:resolvers=greenlet+thread",
    "--resolver keyed:key=named:current",
    "--resolver named:Own --restore-policies",
)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Runs programs in a folder of the test's own."""
    return Runs(tmp_path)


def write_beside(runs: Runs, folder: str) -> None:
    """Write modules that nobody may import, and those that options name."""
    for name in BESIDE:
        runs.write(f"{folder}/{name}.py", "raise SystemExit(f'{__name__} was imported from beside the program')")
    runs.write(f"{folder}/named.py", NAMED)


def need_packages(options: str) -> None:
    for package in ("greenlet", "trio", "uvloop"):
        if package in options:
            pytest.importorskip(package)


@pytest.mark.parametrize("options", OPTIONS)
def test_what_lies_beside_a_program_is_not_imported_unless_by_name(runs, options):
    need_packages(options)
    write_beside(runs, "app")
    runs.options = options.split()
    runs.write("app/main.py", "import asyncio\nasync def main(): return 1\nprint(asyncio.run(main()))")
    assert runs.both("app/main.py").out == "1\n"


@pytest.mark.parametrize("program", [["main.py"], ["-m", "main"], ["-c", "import main"], ["-"]])
def test_nor_is_what_lies_in_the_working_directory(runs, program):
    write_beside(runs, ".")
    runs.options = ["--resolver", "named:Own"]
    runs.write("main.py", "import sys; print(sys.path[0])")
    assert runs.ours(*program, stdin="import main") == runs.python(*program, stdin="import main")


@pytest.mark.parametrize("args", ["list", "explain", "explain --resolver named:Own", "check main.py", "run --help"])
def test_nor_do_other_commands_import_it(runs, args):
    write_beside(runs, ".")
    runs.write("main.py", "")
    done = runs.python("-m", "ctxpolicy", *args.split())
    assert (done.status, done.err) == (0, "")


def test_nor_do_complaints(runs):
    write_beside(runs, ".")
    runs.options = ["--resolver", "task:shared"]
    done = runs.ours("-c", "1 / 0")
    assert done.status == 2
    assert "If 'shared' is an option of the resolver 'task'" in done.err


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there is no -P")
@pytest.mark.parametrize("program", ["app", "app/__main__.py"])
def test_nor_is_anything_under_a_safe_path(runs, program):
    write_beside(runs, "app")
    runs.flags = ("-P",)
    runs.write("app/__main__.py", "import sys; print(sys.path)")
    assert runs.both(program).status == 0


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_nor_do_processes_import_it_that_a_program_starts(runs, method):
    runs.flags = ()
    runs.options = ["--resolver", "greenlet"]
    pytest.importorskip("greenlet")
    for name in ("email", "greenlet", "zipfile"):  # json is multiprocessing's own need, from 3.14 on
        runs.write(f"{name}.py", "raise SystemExit(f'{__name__} was imported from beside the program')")
    runs.write(
        "start.py",
        "import multiprocessing, sys\n"
        "from ctxpolicy._asyncio.host import host\n"
        "def show(): print(type(host.in_force().resolver).__name__)\n"
        "if __name__ == '__main__':\n"
        "    child = multiprocessing.get_context(sys.argv[1]).Process(target=show)\n"
        "    child.start()\n"
        "    child.join()\n",
    )
    assert runs.ours("start.py", method) == (0, "GreenletResolver\n", "")


def test_the_search_path_is_as_before_whatever_was_added_meanwhile(monkeypatch):
    monkeypatch.setattr(sys, "path", ["program", "other", "program"])
    with program_folder_last(despite_safe_path=True):
        assert sys.path == ["other", "program", "program"]
        sys.path.append("added")
    assert sys.path == ["program", "other", "program", "added"]
