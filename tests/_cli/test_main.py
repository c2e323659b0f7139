"""The command line: its output, its exit status, and its messages about bad input."""

from __future__ import annotations

import contextvars
import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ctxpolicy
from ctxpolicy._asyncio.host import host
from ctxpolicy._cli.main import main
from tests.support.programs import environment
from tests.support.python_runs import Runs

tenant: contextvars.ContextVar[str | None] = contextvars.ContextVar("tenant", default=None)


@pytest.fixture(autouse=True)
def nothing_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Restore the state that programs change, and hide the tester's own variable CTXPOLICY."""
    monkeypatch.delenv("CTXPOLICY", raising=False)
    monkeypatch.chdir(tmp_path)
    argv, path, before = list(sys.argv), list(sys.path), host.in_force()
    yield
    sys.argv[:], sys.path[:] = argv, path
    assert host.in_force() is before


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Runs programs in a folder of this test."""
    return Runs(tmp_path)


def complaint(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """Call the command line with bad input, and return the one line that it prints."""
    assert main(list(args)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.endswith("\n")
    return said.err[:-1]


@pytest.mark.parametrize("args", [[], ["--help"], ["-h"]])
def test_help_names_every_command(args, capsys):
    assert main(args) == 0
    said = capsys.readouterr().out
    for command in ("run", "list", "explain", "check"):
        assert f"\n  {command} " in said


@pytest.mark.parametrize("command", ["run", "list", "explain", "check"])
def test_every_command_has_help_of_its_own(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert not caught.value.code
    assert capsys.readouterr().out.startswith(f"usage: ctxpolicy {command} ")


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_shown(option, capsys):
    assert main([option]) == 0
    assert capsys.readouterr().out == f"ctxpolicy {ctxpolicy.__version__}\n"


def test_list_shows_resolvers_and_loop_factories(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "resolvers"
    assert "loop factories" in lines
    for name in (*ctxpolicy.registered_resolvers(), "asyncio", "selector", "uvloop"):
        assert any(line.startswith(f"  {name} ") for line in lines)


def test_list_as_json_has_the_same_content(capsys):
    assert main(["list", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in data["resolvers"]] == list(ctxpolicy.registered_resolvers())
    thread = next(each for each in data["resolvers"] if each["name"] == "thread")
    assert thread == {
        "name": "thread",
        "distribution": "ctxpolicy",
        "version": ctxpolicy.__version__,
        "available": True,
        "error": None,
        "options": [],
        "summary": "A context is a thread; a new thread starts without a loop.",
    }
    assert data["loop_factories"][0]["name"] == "asyncio"


def test_explain_predicts_the_result_under_the_options(capsys):
    assert main(["explain", "--resolver", "chain:resolvers=task+thread", "--missing=create", "--loop", "selector"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "asyncio.get_event_loop() makes a loop and returns it"
    assert "resolver      ChainResolver -> ThreadResolver" in lines
    assert "loop factory  asyncio.unix_events._UnixSelectorEventLoop" in lines


def test_explain_as_json_has_the_same_content(capsys):
    assert main(["explain", "--json", "--missing", "error"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["resolver"], data["missing"], data["answer"]["kind"]) == ("ContextVarResolver", "error", "error")


def test_objects_in_options_are_found_where_python_m_would_find_them(tmp_path, capsys):
    (tmp_path / "cli_tenants.py").write_text("def current(): return 'acme'\n")
    sys.path.insert(0, "/nonexistent")
    assert main(["explain", "--resolver", "keyed:key=cli_tenants:current"]) == 0
    assert "context       key 'acme' in thread" in capsys.readouterr().out


def test_a_loop_factory_may_be_given_by_its_place(capsys):
    assert main(["explain", "--loop", "asyncio:SelectorEventLoop"]) == 0
    assert "loop factory  asyncio.unix_events._UnixSelectorEventLoop" in capsys.readouterr().out


def test_the_environment_variable_is_the_default_resolver(capsys, monkeypatch):
    monkeypatch.setenv("CTXPOLICY", f"keyed:key={__name__}:tenant.get,shared=true")
    assert main(["explain"]) == 0
    assert "resolver      KeyedResolver" in capsys.readouterr().out
    assert main(["explain", "--resolver", "task"]) == 0
    assert "resolver      TaskResolver" in capsys.readouterr().out


def test_an_empty_environment_variable_is_ignored(capsys, monkeypatch):
    monkeypatch.setenv("CTXPOLICY", "")
    assert main(["explain"]) == 0
    assert "resolver      ContextVarResolver" in capsys.readouterr().out


def test_only_the_command_line_reads_the_environment_variable(runs):
    runs.env["CTXPOLICY"] = "nosuch"
    runs.write("plain.py", "import ctxpolicy; print(type(ctxpolicy.install().policy.resolver).__name__)")
    assert runs.python("plain.py").out == "ContextVarResolver\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--resolver", "nosuch"], "no resolver is called 'nosuch'; there are: contextvar, thread, task"),
        (["--resolver", "keyed"], "missing a required argument: 'key'"),
        (["--resolver", "thread:size=1"], "unexpected keyword argument 'size'"),
        (["--resolver", "thread:"], "'thread:' is not a resolver; write NAME[:option=value,...]"),
        (["--resolver", "thread:x=1,"], "write NAME[:option=value,...]"),
        (["--resolver", "keyed:key=os:getpid,shared=no"], "shared must be True or False, not 'no'"),
        (["--resolver", "greenlet:running=off"], "running must be True or False, not 'off'"),
        (["--resolver", "contextvar:inherit=true"], "inherit must be 'same-thread' or 'any-thread', not True"),
        (["--resolver", "keyed:key=nosuch:attr"], "No module named 'nosuch'"),
        (["--resolver", "nosuch.module:attr"], "No module named 'nosuch'"),
        (["--resolver", "os:sep"], "is no callable"),
        (["--missing", "never"], "invalid choice: 'never'"),
        (["--loop", "nosuch"], "no loop factory is called 'nosuch'; there are: asyncio, selector"),
        (["--loop", "proactor"], "exists on Windows only"),
        (["--loop", "nosuch:attr"], "the loop factory cannot be loaded from 'nosuch:attr'"),
        (["--loop", "os:sep"], "no loop factory is called '/'"),
        (["--resolver"], "expected one argument"),
    ],
)
@pytest.mark.parametrize("command", ["run", "explain"])
def test_bad_options_get_one_line_and_status_2(command, args, said, capsys, tmp_path):
    (tmp_path / "program.py").write_text("raise AssertionError('run')")
    rest = [] if args == ["--resolver"] or command == "explain" else ["program.py"]
    line = complaint(capsys, command, *args, *rest)
    assert line.startswith(f"ctxpolicy {command}: error: ")
    assert said in line


def test_a_bad_environment_variable_is_named(capsys, monkeypatch):
    monkeypatch.setenv("CTXPOLICY", "nosuch")
    said = "ctxpolicy explain: error: environment variable CTXPOLICY: no resolver is called 'nosuch'"
    assert complaint(capsys, "explain").startswith(said)
    assert complaint(capsys, "explain", "--loop", "nosuch").startswith(said)
    monkeypatch.setenv("CTXPOLICY", "thread")
    assert complaint(capsys, "explain", "--loop", "nosuch").startswith("ctxpolicy explain: error: no loop factory")


def test_an_error_of_many_lines_is_printed_in_one(capsys, tmp_path):
    (tmp_path / "cli_broken.py").write_text("raise OSError('one\\n\\n  two')")
    assert "OSError: one two" in complaint(capsys, "explain", "--resolver", "cli_broken:attr")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "no program given: give a SCRIPT, -m MODULE, -c CODE, or - for standard input"),
        (["-m"], "no program given"),
        (["-c"], "no program given"),
        (["--"], "no program given"),
        (["nosuch.py"], "can't open file 'nosuch.py': No such file or directory"),
        (["nosuch/"], "can't open file 'nosuch/': "),
        (["loop.py"], "can't open file 'loop.py': Too many levels of symbolic links"),
        (["--frobnicate", "program.py"], "unrecognized arguments: --frobnicate"),
    ],
)
def test_a_missing_program_gets_one_line_and_status_2(args, said, capsys, tmp_path):
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "program.py").write_text("raise AssertionError('run')")
    line = complaint(capsys, "run", *args)
    assert line.startswith("ctxpolicy run: error: ")
    assert said in line


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["empty"], "can't find '__main__' module in '{0}/empty'"),
        (["-m", "nosuch"], "No module named nosuch"),
        (["-m", "nosuch.module"], "No module named nosuch.module"),
        (["-m", "package"], "No module named package.__main__; 'package' is a package and cannot be directly executed"),
        (["-m", "package.nosuch"], "No module named package.nosuch"),
        (["-m", "module.nosuch"], "No module named module.nosuch"),
        (["-m", ".package"], "'.package' is not an absolute module name"),
        (["-m", ""], "'' is not an absolute module name"),
        (["-m", "sys"], "No code object available for sys"),
        (["-m", "__main__"], "No module named __main__"),
    ],
)
def test_a_missing_module_gets_one_line_and_status_2(args, said, runs):
    runs.write("package/__init__.py", "")
    runs.write("module.py", "")
    (runs.folder / "empty").mkdir()
    done = runs.ours(*args)
    assert (done.status, done.out) == (2, "")
    assert done.err == f"ctxpolicy run: error: {said.format(runs.folder)}\n"


def test_an_unknown_command_gets_one_line_and_status_2(capsys):
    assert (
        complaint(capsys, "walk")
        == "ctxpolicy: error: unknown command 'walk'; the commands are run, list, explain, check"
    )


def test_an_unknown_option_gets_one_line_and_status_2(capsys):
    assert complaint(capsys, "list", "--jso") == "ctxpolicy list: error: unrecognized arguments: --jso"


def test_check_returns_its_exit_status(capsys, tmp_path):
    (tmp_path / "old.py").write_text("import asyncio\nasyncio.set_event_loop_policy(None)\n")
    assert main(["check", "old.py"]) == 1
    assert "old.py:2" in capsys.readouterr().out
    assert complaint(capsys, "check").startswith("ctxpolicy check: error: the following arguments are required")


def test_a_program_runs_under_the_policy_of_the_options(runs):
    runs.write("tenants.py", "import contextvars\nget = contextvars.ContextVar('tenant', default='acme').get\n")
    runs.write("show.py", "import ctxpolicy, sys\nprint(ctxpolicy.explain().context, sys.argv)")
    runs.options = ["--resolver", "keyed:key=tenants:get", "--missing", "error"]
    assert runs.ours("show.py", "--missing", "x") == (
        0, "key 'acme' in thread 'MainThread' ['show.py', '--missing', 'x']\n", ""
    )  # fmt: skip


def test_the_environment_variable_applies_to_programs_too(runs):
    runs.env["CTXPOLICY"] = "task"
    assert runs.ours("-c", "import ctxpolicy; print(ctxpolicy.explain().resolver)").out == "TaskResolver\n"


def test_asyncios_policy_api_is_restored_first_if_the_option_is_given(runs):
    runs.options = ["--restore-policies"]
    runs.flags = ()
    done = runs.ours("-c", "import asyncio; print(type(asyncio.get_event_loop_policy()).__name__)")
    assert (done.status, done.out) == (0, "ContextPolicy\n")


def test_a_program_that_sets_its_own_policy_runs_under_that_policy(runs):
    runs.options = ["--restore-policies", "--missing", "create"]
    runs.flags = ("-W", "error", "-W", "ignore:'asyncio.:DeprecationWarning")
    runs.write(
        "mine.py",
        """
import asyncio

class MyPolicy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        print("made")
        return super().new_event_loop()

asyncio.set_event_loop_policy(MyPolicy())
asyncio.run(asyncio.sleep(0))
print(type(asyncio.get_event_loop_policy()).__name__)
""",
    )
    assert runs.ours("mine.py") == (0, "made\nMyPolicy\n", "")


def test_an_error_of_ctxpolicy_that_a_program_raises_is_not_reported_as_bad_input(runs):
    runs.write("raises.py", "import ctxpolicy\nraise ctxpolicy.OptionError('mine')")
    done = runs.both("raises.py")
    assert done.status == 1
    assert done.err.endswith("ctxpolicy.errors.OptionError: mine\n")


def test_the_console_script_is_the_same_as_the_module(runs):
    command = "import sys; sys.argv[0] = 'ctxpolicy'; from ctxpolicy._cli.main import main; sys.exit(main())"
    runs.write("fails.py", "import sys\nprint(sys.argv, sys.path[0])\n1 / 0")
    done = runs.python("-c", command, "run", "fails.py", "a")
    assert done == runs.python("fails.py", "a")
    assert runs.python("-c", command, "--version").out == f"ctxpolicy {ctxpolicy.__version__}\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "args", ["--help", "--version", "list", "list --json", "explain", "check --help", "check x.py --json"]
)
def test_no_error_is_printed_if_the_reader_of_the_output_is_gone(args, unbuffered, runs):
    """As in ``ctxpolicy list | head -1``."""
    runs.write("x.py", "pass")
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "ctxpolicy", *args.split()],
        cwd=runs.folder,
        env=environment(PYTHONUNBUFFERED=unbuffered),
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write_end)
    # Since 3.11 argparse ignores the error if it writes the output itself.
    ignored = args == "check --help" and unbuffered and sys.version_info >= (3, 11)
    expected = 0 if ignored else 128 + signal.SIGPIPE
    assert (done.returncode, done.stderr) == (expected, "")


def test_no_error_is_printed_if_standard_output_is_closed(runs):
    command = shlex.join([sys.executable, "-m", "ctxpolicy", "list"])
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} >&-"], env=environment(), stderr=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_module_does_nothing(capsys):
    importlib.import_module("ctxpolicy.__main__")
    assert capsys.readouterr() == ("", "")


def test_the_module_exits_with_the_status(runs):
    assert runs.python("-m", "ctxpolicy", "walk").status == 2
    done = runs.python("-m", "ctxpolicy")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("usage: ctxpolicy COMMAND")
    assert os.linesep in done.out
