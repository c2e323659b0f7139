"""A program that ``ctxpolicy run`` runs behaves as under python: what it sees, prints and returns is the same."""

from __future__ import annotations

import os
import py_compile
import signal
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests._cli.fork_server import ForkedRuns, ForkServer
from tests.support.python_runs import Runs

PYPY = sys.implementation.name == "pypy"

# Prints everything that a program can see of the way in which it is run.
SHOW = """
import sys
main = sys.modules["__main__"]
assert vars(main) is globals()
shown = {name: value for name, value in globals().items() if name not in ("sys", "main")}
for name in sorted(shown):
    print(name, repr(shown[name]))
print(sys.argv, sys.path, sys.flags, sys.warnoptions, __name__, main.__name__)
"""


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Runs programs in a folder of this test."""
    return Runs(tmp_path)


@pytest.fixture(scope="module")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    server = ForkServer(tmp_path_factory.mktemp("streams"), ("-W", "error"))
    yield server
    server.close()


@pytest.fixture
def forked_runs(tmp_path: Path, request: pytest.FixtureRequest) -> Runs:
    """Runs programs as `runs` does, but ``ctxpolicy run`` in a fork if possible, which takes less time."""
    return ForkedRuns(tmp_path, request.getfixturevalue("fork_server")) if hasattr(os, "fork") else Runs(tmp_path)


def test_a_script_sees_the_same_as_under_python(runs):
    runs.write("show.py", SHOW)
    shown = runs.both("show.py", "-x", "--resolver", "y", "").out
    assert f"['show.py', '-x', '--resolver', 'y', ''] ['{runs.folder}'," in shown


@pytest.mark.parametrize("path", ["./show.py", "../{0}/show.py", "{1}/show.py", "folder/../show.py"])
def test_a_script_sees_the_same_as_under_python_however_it_is_named(runs, path):
    runs.write("show.py", SHOW)
    runs.write("folder/other.py", "")
    runs.both(path.format(runs.folder.name, runs.folder))


def test_a_script_behind_a_link_finds_modules_beside_it(runs):
    runs.write("folder/show.py", SHOW + "import beside")
    runs.write("folder/beside.py", "print('found')")
    (runs.folder / "linked.py").symlink_to("folder/show.py")
    assert runs.both("linked.py").out.endswith("found\n")


def test_a_script_with_another_suffix_or_none_sees_the_same_as_under_python(runs):
    runs.write("show", SHOW)
    runs.both("show")
    runs.write("show.txt", SHOW)
    runs.both("--", "show.txt", "--", "a")


def test_a_compiled_script_sees_the_same_as_under_python(runs):
    py_compile.compile(str(runs.write("show.py", SHOW)), cfile=str(runs.folder / "compiled.pyc"), doraise=True)
    runs.both("compiled.pyc")


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfprint('\xc3\xa9')",
        b"# -*- coding: latin-1 -*-\nprint('\xe9')",
        b"#!/usr/bin/python\r\n# vim: set fileencoding=cp1252 :\r\nprint('\x80')",
    ],
    ids=["byte order mark", "first line", "second line"],
)
def test_a_script_is_read_in_the_encoding_that_it_declares(runs, content):
    runs.env["PYTHONIOENCODING"] = "ascii:backslashreplace"
    (runs.folder / "encoded.py").write_bytes(content)
    assert runs.both("encoded.py").out in ("\\xe9\n", "\\u20ac\n")


def test_a_script_that_needs_an_encoding_and_declares_none_is_refused(runs):
    (runs.folder / "encoded.py").write_bytes(b"print(1)\n\n# caf\xe9\n")
    expected, found = runs.python("encoded.py"), runs.ours("encoded.py")
    assert (found.status, found.out) == (expected.status, expected.out) == (1, "")
    assert found.err.startswith("SyntaxError: Non-UTF-8 code starting with '\\xe9' in file ")


def test_a_folder_with_a_main_module_sees_the_same_as_under_python(runs):
    runs.write("folder/__main__.py", SHOW + "import beside")
    runs.write("folder/beside.py", "print('found')")
    assert runs.both("folder", "a").out.endswith("found\n")
    assert runs.both(str(runs.folder / "folder")).out.endswith("found\n")


def test_a_zip_file_with_a_main_module_sees_the_same_as_under_python(runs):
    with zipfile.ZipFile(runs.folder / "app.zip", "w") as archive:
        archive.writestr("__main__.py", SHOW + "import beside")
        archive.writestr("beside.py", "print('found')")
    assert runs.both("app.zip", "a").out.endswith("found\n")


@pytest.mark.parametrize("name", ["module", "package", "package.module", "package.inner", "spread.module"])
def test_a_module_sees_the_same_as_under_python(runs, name):
    runs.write("module.py", SHOW)
    runs.write("package/__init__.py", "print('package', __name__)")
    runs.write("package/__main__.py", SHOW + "from . import module")
    runs.write("package/module.py", SHOW)
    runs.write("package/inner/__init__.py", "")
    runs.write("package/inner/__main__.py", SHOW)
    runs.write("spread/module.py", SHOW)  # a namespace package
    runs.both("-m", name, "-x", "--missing", "y")


@pytest.mark.parametrize("args", [["a"], ["--missing", "create"], ["-h"], ["--", "-x"], ["-mmodule", "-c"]])
def test_arguments_after_a_module_or_text_joined_to_its_option_belong_to_the_program(forked_runs, args):
    forked_runs.options = ["--missing", "create", "--loop=selector"]
    forked_runs.write("module.py", SHOW)
    assert str(args)[1:-1] in forked_runs.both("-mmodule", *args).out
    assert str(args)[1:-1] in forked_runs.both(f"-c{SHOW.strip()}", *args).out


@pytest.mark.parametrize("program", [["show.py"], ["-m", "show"], ["-c", SHOW], ["-"]])
def test_a_program_may_have_options_like_those_before_it(forked_runs, program):
    forked_runs.write("show.py", SHOW)
    shown = forked_runs.both(*program, "-mnosuch", "-cnosuch", "-m", stdin=SHOW).out
    assert "'-mnosuch', '-cnosuch', '-m'] [" in shown


def test_after_two_dashes_a_script_may_have_any_name(runs):
    runs.write("-mshow", "import sys; print(sys.argv)")
    assert runs.ours("--", "-mshow", "a").out == "['-mshow', 'a']\n"


def test_a_module_of_the_standard_library_is_run(runs):
    runs.write("data.json", "[1]")
    assert runs.both("-m", "json.tool", "--compact", "data.json").out == "[1]\n"


def test_a_module_that_its_package_has_imported_gets_the_warning_that_runpy_gives(runs):
    runs.flags = ()
    runs.write("package/__init__.py", "from package import module")
    runs.write("package/module.py", "print(__name__)")
    expected, found = runs.python("-m", "package.module"), runs.ours("-m", "package.module")
    assert found.out == expected.out == "package.module\n__main__\n"
    warning, _, _ = expected.err.partition("RuntimeWarning:")[2].partition("\n")
    assert f"RuntimeWarning:{warning}\n" in found.err


def test_program_text_sees_the_same_as_under_python(runs):
    runs.both("-c", SHOW, "-x", "y")
    runs.both(f"-cimport sys{SHOW}", "a")


@pytest.mark.skipif(sys.version_info < (3, 14), reason="before 3.14, python -c does not dedent the text")
def test_program_text_may_be_indented(runs):
    assert runs.both("-c", "\n    if True:\n        print(1)\n    print(2)").out == "1\n2\n"


def test_standard_input_sees_the_same_as_under_python(runs):
    runs.both("-", "a", stdin=SHOW)
    runs.both("-", stdin="")


def test_without_standard_input_there_is_nothing_to_run(runs):
    runs.write("close.py", "import os, sys; os.close(0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])")
    done = runs.python("close.py", "-m", "ctxpolicy", "run", "-")
    assert (done.status, done.out, done.err) == (0, "", "")


def test_a_script_reads_standard_input(runs):
    runs.write("echo.py", "import sys; print(input(), sys.stdin.read())")
    assert runs.both("echo.py", stdin="one\ntwo").out == "one two\n"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="this Python has no option -P")
def test_a_safe_path_stays_safe(runs):
    runs.flags = ("-P",)
    runs.write("show.py", SHOW)
    runs.write("folder/__main__.py", SHOW)
    for args in (["show.py"], ["folder"], ["-c", SHOW]):
        runs.both(*args)


def test_pythons_own_options_take_effect(runs):
    runs.flags = ("-O", "-X", "dev", "-B", "-u")
    runs.write("show.py", f"{SHOW}\nassert not __debug__\nassert False")
    runs.both("show.py")


ERRORS = {
    "in a call": "def fail(number):\n    return 1 / number\n\nfail(0)",
    "at the top": "import json\nraise ValueError('no')",
    "in a module": "import beside",
    "in another's code": "import json\njson.loads('{')",
    "in a chain": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise KeyError('no') from error",
    "in passing": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise KeyError('no')",
    "syntax": "x = = 1",
    "indentation": "if True:\npass",
    "syntax in a module": "import wrong",
    "no such module": "import nosuch.module",
    "no such name": "from os import nosuch",
    "generator": "def steps():\n    yield 1\n    raise OSError(2, 'no')\nlist(steps())",
    "own class": "class Error(Exception):\n    def __str__(self): return 'text'\nraise Error",
    "own interrupt": "class Stop(KeyboardInterrupt): pass\nraise Stop('x')",
    "unprintable": "class Error(Exception):\n    def __str__(self): raise OSError\nraise Error",
    "compiled": "exec('def f(): raise IndexError(1)')\nf()",
    "limited": "import sys\nsys.tracebacklimit = 1\ndef f(): 1 / 0\ndef g(): f()\ng()",
    "raised again": "def f(): 1 / 0\ntry: f()\nexcept ZeroDivisionError as e: error = e\nraise error",
    "task": "import asyncio\nasync def main(): raise LookupError('no')\nasyncio.run(main())",
}
if sys.version_info >= (3, 11):
    ERRORS["group"] = "raise ExceptionGroup('many', [ValueError(1), ExceptionGroup('more', [OSError(2)])])"
    ERRORS["noted"] = "error = ValueError(1)\nerror.add_note('mind this')\nraise error"


@pytest.mark.parametrize("source", ERRORS.values(), ids=ERRORS)
def test_a_traceback_is_the_one_that_python_prints(forked_runs, source):
    forked_runs.write("fails.py", source)
    forked_runs.write("beside.py", "def f():\n    raise RuntimeError('beside')\nf()")
    forked_runs.write("wrong.py", "def f(:\n    pass")
    done = forked_runs.both("fails.py")
    assert done.status != 0
    assert "ctxpolicy" not in done.err
    assert "runpy" not in done.err


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((kind, name) for kind in ("-m", "folder", "zip", "-c", "-") for name in ("in a call", "syntax")),
        *(("package", name) for name in ("in a module", "syntax", "syntax in a module", "no such module")),
        ("zip", "syntax in a module"),
    ],
)
def test_a_traceback_is_the_one_that_python_prints_without_runpys_frames(forked_runs, kind, name):
    source = ERRORS[name]
    beside = {"beside.py": "def f():\n    raise RuntimeError('beside')\nf()", "wrong.py": "def f(:\n    pass"}
    for file, text in beside.items():
        forked_runs.write(file, text)
        forked_runs.write(f"folder/{file}", text)
    forked_runs.write("fails.py", source)
    forked_runs.write("package/__init__.py", source)
    forked_runs.write("package/__main__.py", "")
    forked_runs.write("folder/__main__.py", source)
    with zipfile.ZipFile(forked_runs.folder / "app.zip", "w") as archive:
        for file, text in {**beside, "__main__.py": source}.items():
            archive.writestr(file, text)
    args = {
        "-m": ["-m", "fails"], "package": ["-m", "package"], "folder": ["folder"], "zip": ["app.zip"],
        "-c": ["-c", source], "-": ["-"],
    }[kind]  # fmt: skip
    done = forked_runs.both(*args, stdin=source if kind == "-" else "")
    assert done.status == 1
    assert "ctxpolicy" not in done.err
    assert "runpy" not in done.err


HOOKS = {
    "prints": "def hook(kind, error, trace):\n    print(kind, error, trace.tb_frame.f_code.co_name, trace.tb_next)",
    "looks": (
        "def hook(kind, error, trace):\n"
        "    assert sys.last_traceback is error.__traceback__ is trace and sys.last_value is error\n"
        "    sys.__excepthook__(kind, error, trace)"
    ),
    "fails": "def hook(kind, error, trace):\n    raise OSError('hook')",
    "fails with an exception of its own": (
        "def hook(kind, error, trace):\n    try: raise error\n    except ValueError: raise OSError('hook')"
    ),
    "exits": "def hook(kind, error, trace):\n    sys.exit(7)",
    "is no function": "hook = 5",
}


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
@pytest.mark.skipif(PYPY, reason="PyPy prints another message if a hook fails")
def test_a_programs_own_excepthook_is_called_as_python_calls_it(forked_runs, hook):
    forked_runs.write("hooked.py", f"import sys\n{hook}\nsys.excepthook = hook\ndef f(): raise ValueError(1)\nf()")
    forked_runs.both("hooked.py")


def test_a_program_without_an_excepthook_still_has_its_traceback_printed(forked_runs):
    forked_runs.write("hooked.py", "import sys\ndel sys.excepthook\n1 / 0")
    expected, found = forked_runs.python("hooked.py"), forked_runs.ours("hooked.py")
    assert found.status == expected.status == 1
    assert expected.err.endswith(found.err)
    assert found.err.startswith("Traceback")


EXITS = {
    "at the end": "print(1)",
    "number": "import sys; sys.exit(3)",
    "none": "import sys; sys.exit()",
    "true": "import sys; sys.exit(True)",
    "text": "import sys; sys.exit('it is over')",
    "object": "raise SystemExit([1, 2])",
    "big": "raise SystemExit(258)",
    "at once": "import os; os._exit(5)",
    "aborted": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "handler": "import atexit; atexit.register(print, 'bye'); raise SystemExit(4)",
    "handler that fails": "import atexit; atexit.register(lambda: 1 / 0)",
    "in a thread": "import threading; t = threading.Thread(target=lambda: exit(3)); t.start(); t.join()",
    "in a child": "import os\nif os.fork():\n    print(os.wait()[1] >> 8)\nelse:\n    raise SystemExit(6)",
    "interrupt": "raise KeyboardInterrupt",
    "interrupt with text": "def f():\n    raise KeyboardInterrupt('now')\nf()",
}


@pytest.mark.parametrize("source", EXITS.values(), ids=EXITS)
def test_a_program_ends_as_under_python(forked_runs, source):
    forked_runs.write("ends.py", source)
    forked_runs.both("ends.py")


@pytest.mark.parametrize("kind", ["-m", "-c", "-", "folder"])
@pytest.mark.parametrize("name", ["text", "at the end", "interrupt"])
def test_a_program_ends_as_under_python_however_it_is_given(forked_runs, name, kind):
    source = EXITS[name]
    forked_runs.write("ends.py", source)
    forked_runs.write("folder/__main__.py", source)
    args = {"-m": ["-m", "ends"], "-c": ["-c", source], "-": ["-"], "folder": ["folder"]}[kind]
    forked_runs.both(*args, stdin=source if kind == "-" else "")


INTERRUPTS = {
    "in a call": "def wait():\n    signal.raise_signal(signal.SIGINT)\nwait()",
    "in a task": (
        "async def main():\n"
        "    asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)\n"
        "    await asyncio.sleep(100)\n"
        "asyncio.run(main())"
    ),
    "caught": "try: signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: raise SystemExit('interrupted')",
}


@pytest.mark.parametrize("source", INTERRUPTS.values(), ids=INTERRUPTS)
def test_an_interrupted_program_ends_as_under_python(forked_runs, source):
    forked_runs.write("waits.py", f"import asyncio, signal\n{source}")
    done = forked_runs.both("waits.py")
    assert done.status in (-signal.SIGINT, 1)
    assert "ctxpolicy" not in done.err


def test_control_c_ends_a_program_that_waits(runs):
    # Not one long sleep: Python handles a signal that arrives just before the system call only after the sleep.
    runs.write("waits.py", "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.1)")
    process = runs.start("waits.py")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=100)
    assert process.returncode == -signal.SIGINT
    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert "ctxpolicy" not in err


def test_threads_and_exit_handlers_find_the_main_module_after_its_end(runs):
    runs.write(
        "late.py",
        "import atexit, pickle, sys, threading\n"
        "over = threading.Event()\n"
        "class Thing:\n"
        "    def __eq__(self, other): return type(other) is Thing\n"
        "def late(who):\n"
        "    over.wait()\n"
        "    assert pickle.loads(pickle.dumps(Thing())) == Thing(), Thing\n"
        "    assert sys.modules['__main__'].late is late\n"
        "    print(who)\n"
        "atexit.register(late, 'handler')\n"
        "threading.Thread(target=late, args=['thread']).start()\n"
        "threading.Thread(target=lambda: (threading.main_thread().join(), over.set())).start()\n",
    )
    assert runs.both("late.py").out == "thread\nhandler\n"


def test_a_programs_source_is_found(runs):
    runs.write(
        "source.py",
        "import __main__, inspect\ndef f(): return 1\nprint(inspect.getsource(f), inspect.getfile(__main__))",
    )
    runs.both("source.py")


def test_unittest_main_finds_the_programs_tests(runs):
    runs.write(
        "tests.py",
        "import sys, unittest\n"
        "class T(unittest.TestCase):\n"
        "    def test(self): print(type(self), file=sys.stdout)\n"
        "unittest.main(argv=['x', '-q'], testRunner=unittest.TextTestRunner(sys.stdout, verbosity=0), exit=False)\n",
    )
    assert "<class '__main__.T'>" in runs.ours("tests.py").out


def test_the_interactive_option_continues_in_the_programs_namespace(runs):
    runs.flags = ("-i", "-q")
    runs.write("start.py", "import sys; sys.ps1 = sys.ps2 = ''; answer = 42")
    done = runs.both("start.py", stdin="print(answer, __name__)\n1 / 0\n")
    assert done.out.startswith("42 __main__\n")
    runs.write("fails.py", "import sys; sys.ps1 = sys.ps2 = ''; answer = 43\n1 / 0")
    done = runs.both("fails.py", stdin="print(answer)\nprint(sys.last_traceback.tb_next)\n1 / 0\n")
    assert done.out == "43\nNone\n"


SPREAD = """
import asyncio, concurrent.futures, multiprocessing, sys

class Thing:
    def __init__(self, value): self.value = value
    def __eq__(self, other): return (type(self), self.value) == (type(other), other.value)

def work(thing):
    return Thing(thing.value + 1), type(thing).__module__, __name__, sys.argv, sys.path

def main(method):
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        for thing, *others in pool.map(work, map(Thing, range(3))):
            print(thing.value, *others, thing == Thing(thing.value))
    pool = context.Pool(1)
    print([thing.value for thing, *_ in pool.map(work, [Thing(7)])])
    pool.close()
    pool.join()

if __name__ == "__main__":
    main(sys.argv[1])
"""
METHODS = ["spawn", "forkserver", "fork"]


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        *(("spawn", kind) for kind in ("script", "-m", "package", "folder")),
        # The processes of a forkserver import the main module as spawned processes do: by its path or by its name.
        *(("forkserver", kind) for kind in ("script", "-m")),
        # A forked process does not import the main module, because it has that of the program.
        ("fork", "script"),
    ],
)
def test_multiprocessing_works_as_under_python(runs, method, kind):
    runs.flags = ()  # since 3.12 a fork warns in a process with threads
    runs.write("spread.py", SPREAD)
    runs.write("package/__init__.py", "")
    runs.write("package/__main__.py", "from package.spread import *\nimport sys\nmain(sys.argv[1])")
    runs.write("package/spread.py", SPREAD)
    runs.write("folder/__main__.py", "from spread import *\nimport sys\nif __name__ == '__main__': main(sys.argv[1])")
    runs.write("folder/spread.py", SPREAD)
    args = {
        "script": ["spread.py"], "-m": ["-m", "spread"], "package": ["-m", "package"], "folder": ["folder"],
    }[kind]  # fmt: skip
    done = runs.both(*args, method)
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith("[8]\n")


UNDER = """
import multiprocessing, sys
import ctxpolicy

def show(name):
    told = ctxpolicy.explain()
    print(name, told.policy, told.missing, told.resolver, told.loop_factory, flush=True)

def start(method, name):
    child = multiprocessing.get_context(method).Process(target=show if name == "grandchild" else middle, args=[name])
    child.start()
    child.join()

def middle(name):
    show(name)
    start(sys.argv[1], "grandchild")

if __name__ == "__main__":
    show("program")
    start(sys.argv[1], "child")
"""


@pytest.mark.parametrize("method", METHODS)
def test_processes_that_a_program_starts_run_under_its_policy_too(runs, method):
    runs.flags = ()
    runs.options = ["--resolver", "chain:resolvers=task+thread", "--missing", "create", "--loop", "selector"]
    runs.write("under.py", UNDER)
    done = runs.ours("under.py", method)
    assert done.err == ""
    policy = "ContextPolicy create ChainResolver -> ThreadResolver asyncio.unix_events._UnixSelectorEventLoop"
    assert done.out.splitlines() == [f"{who} {policy}" for who in ("program", "child", "grandchild")]


def test_a_policy_that_the_programs_main_module_sets_is_in_force_in_processes_that_it_starts(runs):
    runs.write("under.py", UNDER.replace("def show", "ctxpolicy.install('task', missing='error')\ndef show", 1))
    done = runs.ours("under.py", "spawn")
    assert done.err == ""
    assert [line.split()[1:4] for line in done.out.splitlines()] == [["ContextPolicy", "error", "TaskResolver"]] * 3


def test_processes_that_could_not_import_ctxpolicy_start_as_under_python(runs):
    import ctxpolicy

    home = Path(ctxpolicy.__file__).parents[1]
    runs.write("spread.py", SPREAD)
    runs.write(
        "start.py",
        "import sys, runpy\n"
        f"sys.path.insert(0, {str(home)!r})\n"
        "import ctxpolicy._cli.main\n"
        f"sys.path[:] = [sys.path[1], *(each for each in sys.path[1:] if each != {str(home)!r})]\n"
        "sys.exit(ctxpolicy._cli.main.main(['run', 'spread.py', 'spawn']))",
    )
    runs.flags = ()
    done = runs.python("start.py")
    assert (done.status, done.err) == (0, "")


def test_the_policy_is_in_force_for_the_whole_program_and_its_leases_end_with_it(runs):
    runs.flags = ("-W", "error", "-X", "dev")
    runs.options = ["--missing", "create", "--resolver", "thread"]
    runs.write(
        "leases.py",
        "import asyncio, atexit, threading\n"
        "loop = asyncio.get_event_loop()\n"
        "asyncio.run(asyncio.sleep(0))\n"
        "assert asyncio.get_event_loop() is loop\n"
        "threading.Thread(target=lambda: print(asyncio.get_event_loop() is loop)).start()\n"
        "atexit.register(lambda: print(asyncio.get_event_loop() is loop))\n",
    )
    done = runs.ours("leases.py")
    assert (done.status, done.out, done.err) == (0, "False\nTrue\n", "")


def test_a_program_may_run_another(runs):
    runs.write("inner.py", "def f(): 1 / 0\nf()")
    done = runs.ours("-m", "ctxpolicy", "run", "--resolver", "task", "inner.py")
    assert done == runs.python("inner.py")
