"""ctxpolicy imports no module that it needs from the program's folder. Options may name objects in that folder."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ctxpolicy._cli.sys_path import program_folder_last
from tests.support.python_runs import Ended, Runs

# Installed packages only: a module with the name of a missing package may be imported from the program's folder.
PACKAGES = [*filter(find_spec, ("greenlet", "trio", "uvloop"))]
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
ASYNCIO_PROGRAM = "import asyncio\nasync def main(): return 1\nprint(asyncio.run(main()))"


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Runs programs in a folder of this test."""
    return Runs(tmp_path)


@pytest.fixture(scope="session")
def beside(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The modules of the standard library that python itself does not import at start, and the optional packages."""
    empty = Runs(tmp_path_factory.mktemp("empty"))
    show = "import sys; print(*sys.modules)"
    empty.write("loaded.py", show)
    ways = [empty.python("-m", "loaded"), empty.python("-c", show), empty.python("-", stdin=show)]
    loaded = {name.partition(".")[0] for way in ways for name in way.out.split()}
    names = sorted(name for name in sys.stdlib_module_names - loaded if "." not in name)  # PyPy lists submodules too
    return [*filter(find_spec, names), *PACKAGES]


def write_beside(runs: Runs, folder: str, names: list[str]) -> None:
    """Write modules that end the process when they are imported, and the module that options name."""
    for name in names:
        runs.write(f"{folder}/{name}.py", f"raise SystemExit('{name} was imported from beside the program')")
    runs.write(f"{folder}/named.py", NAMED)


def console_script(runs: Runs, *args: str) -> Ended:
    """Run ``ctxpolicy run ARGS`` through a script in another folder, as an installed entry point does."""
    runs.write("bin/ctxpolicy", "import sys\nfrom ctxpolicy._cli.main import main\nsys.exit(main())")
    return runs.python("bin/ctxpolicy", "run", *args)


def need_packages(options: str) -> None:
    for package in ("greenlet", "trio", "uvloop"):
        if package in options:
            pytest.importorskip(package)


@pytest.mark.parametrize("options", OPTIONS)
def test_modules_beside_a_program_are_not_imported_unless_an_option_names_them(runs, options, beside):
    need_packages(options)
    write_beside(runs, "app", beside)
    runs.options = options.split()
    runs.write("app/main.py", ASYNCIO_PROGRAM)
    assert runs.ours("app/main.py") == (0, "1\n", "")


@pytest.mark.parametrize("module", ["signal", "selectors"])
@pytest.mark.parametrize("program", [["main.py"], ["-m", "main"]])
def test_a_module_that_hides_one_that_asyncio_imports_ends_a_program_under_python_only(runs, module, program, beside):
    if module not in beside:
        pytest.skip(f"this python imports {module} before it runs a program")
    write_beside(runs, ".", [module])
    runs.write("main.py", ASYNCIO_PROGRAM)
    assert runs.python(*program) == (1, "", f"{module} was imported from beside the program\n")
    assert runs.ours(*program) == console_script(runs, *program) == (0, "1\n", "")


@pytest.mark.parametrize("program", [["main.py"], ["-m", "main"]])
def test_hiding_modules_change_nothing_for_a_program_that_imports_none_of_them(runs, program):
    write_beside(runs, ".", ["signal", "selectors"])
    runs.write("main.py", "import sys; print(sys.argv, sys.path)")
    assert runs.both(*program, "a") == console_script(runs, *program, "a")


@pytest.mark.parametrize("program", [["main.py"], ["-m", "main"], ["-c", "import main"], ["-"]])
def test_modules_in_the_working_directory_are_not_imported(runs, program, beside):
    write_beside(runs, ".", beside)
    runs.options = ["--resolver", "named:Own"]
    runs.write("main.py", "import sys; print(sys.path[0])")
    assert runs.ours(*program, stdin="import main") == runs.python(*program, stdin="import main")


@pytest.mark.parametrize("args", ["list", "explain", "explain --resolver named:Own", "check main.py", "run --help"])
def test_other_commands_import_no_module_beside_a_program(runs, args, beside):
    write_beside(runs, ".", beside)
    runs.write("main.py", "")
    done = runs.python("-m", "ctxpolicy", *args.split())
    assert (done.status, done.err) == (0, "")


def test_the_report_of_a_bad_option_imports_no_module_beside_a_program(runs, beside):
    write_beside(runs, ".", beside)
    runs.options = ["--resolver", "task:shared"]
    done = runs.ours("-c", "1 / 0")
    assert done.status == 2
    assert "If 'shared' is an option of the resolver 'task'" in done.err


@pytest.mark.skipif(sys.version_info < (3, 11), reason="this Python has no option -P")
@pytest.mark.parametrize("program", ["app", "app/__main__.py"])
def test_under_a_safe_path_modules_beside_a_program_are_not_imported(runs, program, beside):
    write_beside(runs, "app", beside)
    runs.flags = ("-P",)
    runs.write("app/__main__.py", "import sys; print(sys.path)")
    assert runs.both(program).status == 0


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_a_program_starts_import_no_module_beside_it(runs, method):
    runs.flags = ()
    runs.options = ["--resolver", "greenlet"]
    pytest.importorskip("greenlet")
    # Other modules are not tested here, because multiprocessing itself imports some, such as json since 3.14.
    write_beside(runs, ".", ["email", "greenlet", "zipfile"])
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


def test_the_search_path_is_restored_and_keeps_what_was_added_meanwhile(monkeypatch):
    monkeypatch.setattr(sys, "path", ["program", "other", "program"])
    with program_folder_last(despite_safe_path=True):
        assert sys.path == ["other", "program", "program"]
        sys.path.append("added")
    assert sys.path == ["program", "other", "program", "added"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="this Python has no option -P")
def test_without_the_programs_folder_the_search_path_stays_as_it_is(runs):
    runs.flags = ("-P",)
    program = (
        "import sys; from ctxpolicy._cli.sys_path import *; path = list(sys.path)\n"
        "with program_folder_last(): assert sys.path == path\n"
        "set_program_folder('program'); assert sys.path == path\n"
        "set_program_folder('program', despite_safe_path=True); assert sys.path == ['program', *path]\n"
    )
    assert runs.python("-c", program) == (0, "", "")
