"""A reshaped asyncio is like that of Python 3.16. Each check runs in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from . import ASKED, EmulationError, activate, activate_if_asked, environment, facts

ROOT = Path(__file__).resolve().parents[2]
REAL = sys.version_info >= (3, 16)
EMULATED = (3, 14) <= sys.version_info < (3, 16)

emulator = pytest.mark.skipif(not EMULATED, reason="only Python 3.14 and 3.15 can emulate 3.16")
elsewhere = pytest.mark.skipif(EMULATED, reason="Python 3.14 and 3.15 can emulate 3.16")
has_facts = pytest.mark.skipif(not (EMULATED or REAL), reason="only Python 3.14 and 3.15 can emulate 3.16")

ACTIVATE = "from tests.emulated_316 import activate, is_active; activate()"
ACCELERATORS = {"C": "import _asyncio", "Python": "import sys; sys.modules['_asyncio'] = None"}
TELL = "import tests.emulated_316 as e; print(e.is_active())"


def plain() -> dict[str, str]:
    """Return an environment without the settings of this run for the emulation and for coverage."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    return {**env, "PYTHONPATH": str(ROOT), ASKED: "0"}


def emulated() -> dict[str, str]:
    return environment(plain())


def python(*args: str, env: dict[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *args]
    return subprocess.run(command, check=False, env=env, cwd=cwd, capture_output=True, text=True, timeout=120)


def output(*code: str, env: dict[str, str]) -> str:
    """Run the code in a new Python, with warnings as errors, and return its output.

    Nothing may come out on stderr: an error in a fork handler or a finalizer shows only there.
    """
    child = python("-W", "error", "-c", "\n".join(map(dedent, code)), env=env)
    assert (child.returncode, child.stderr) == (0, "")
    return child.stdout.strip()


def refusal(*code: str, early: Path) -> str:
    """Return why the emulation is refused after the code has run, and check that asyncio is unchanged."""
    return output(
        "import asyncio.events, sys",
        f"sys.path.insert(0, {str(early)!r})",
        *code,
        """
        from tests.emulated_316 import EmulationError, activate, is_active
        before = [dict(vars(asyncio)), dict(vars(asyncio.events))]
        try:
            activate()
        except EmulationError as error:
            print(error)
        assert not is_active() and [vars(asyncio), vars(asyncio.events)] == before
        """,
        env=plain(),
    )


@has_facts
@pytest.mark.parametrize("accelerator", ACCELERATORS)
@pytest.mark.parametrize("name", facts.FACTS)
def test_every_fact_about_asyncio_on_316_is_true(name: str, accelerator: str) -> None:
    if "fork" in name and not hasattr(os, "fork"):
        pytest.skip("this platform has no fork")
    activation = "" if REAL else ACTIVATE
    output(ACCELERATORS[accelerator], activation, f"from tests.emulated_316 import facts; facts.{name}()", env=plain())


@emulator
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_without_the_emulation_only_the_older_facts_are_true() -> None:
    code = """
    from tests.emulated_316._fact_helpers import FACTS, in_fork
    import tests.emulated_316.facts
    print(*[name for name, fact in FACTS.items() if in_fork(fact) == 0])
    """
    child = python("-c", dedent(code), env=plain())
    assert set(child.stdout.split()) == facts.OLDER, child.stderr


@emulator
@pytest.mark.parametrize(("accelerator", "compiled"), [("C", "True"), ("Python", "False")])
def test_the_facts_are_checked_with_and_without_the_c_accelerator(accelerator: str, compiled: str) -> None:
    check = "import asyncio.events; print(hasattr(asyncio.events, '_c_get_event_loop'))"
    assert output(ACCELERATORS[accelerator], ACTIVATE, check, env=plain()) == compiled


@emulator
def test_activating_again_changes_nothing_even_if_a_host_has_replaced_names() -> None:
    output(
        ACTIVATE,
        """
        import asyncio.events
        asyncio.events._local = type("Host", (), {"_loop": None})()
        asyncio.get_event_loop_policy = asyncio.events.get_event_loop_policy = lambda: None
        before = [dict(vars(asyncio)), dict(vars(asyncio.events))]
        activate()
        assert is_active() and [vars(asyncio), vars(asyncio.events)] == before
        """,
        env=plain(),
    )


@emulator
def test_functions_that_were_imported_before_are_reshaped_too() -> None:
    output(
        "from asyncio import get_event_loop, new_event_loop, set_event_loop",
        "from asyncio.events import on_fork",
        ACTIVATE,
        """
        import asyncio.events
        loop = new_event_loop()
        set_event_loop(loop)
        assert asyncio.events._local._loop is get_event_loop() is loop
        on_fork()
        assert asyncio.events._local._loop is None
        loop.close()
        """,
        env=plain(),
    )


@emulator
@pytest.mark.parametrize("line", ["from asyncio import get_event_loop_policy", "from asyncio import events as held"])
def test_a_module_that_has_imported_a_policy_function_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "early.py").write_text(line)
    if "policy" in line:
        message = refusal("import early", early=tmp_path)
        assert "in use already" in message
        assert "early.get_event_loop_policy was imported" in message
        assert "-p tests.emulated_316.plugin" in message
    else:
        output(f"import sys; sys.path.append({str(tmp_path)!r})", "import early", ACTIVATE, env=plain())


@emulator
def test_a_subclass_of_a_policy_class_is_named(tmp_path: Path) -> None:
    (tmp_path / "early.py").write_text(
        dedent("""
        from asyncio.events import _BaseDefaultEventLoopPolicy as _Base

        def make():
            class Policy(_Base):
                pass
            return Policy

        kept = make()
        del _Base
        """)
    )
    message = refusal("import early", early=tmp_path)
    assert "early.make.<locals>.Policy is a subclass of asyncio's policies" in message
    assert "was imported" not in message


@emulator
def test_a_policy_in_force_prevents_the_emulation(tmp_path: Path) -> None:
    assert "a policy is in force" in refusal("asyncio.set_event_loop(None)", early=tmp_path)


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 13, 0), (3, 16, 0), (4, 0, 0)])
def test_every_other_python_is_refused_by_name(version: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version_info", version)
        with pytest.raises(EmulationError, match=rf"only Python 3\.14 and 3\.15 .* Python {version[0]}\.{version[1]}$"):
            activate()


@elsewhere
def test_a_python_that_cannot_do_the_emulation_does_not_start() -> None:
    child = python("-c", "print('started')", env=emulated())
    assert (child.returncode, child.stdout) == (1, "")
    assert child.stderr.startswith("sitecustomize: only Python 3.14 and 3.15 can emulate the asyncio of 3.16")


def test_a_python_does_not_start_with_another_value_of_the_variable() -> None:
    child = python("-c", "print('started')", env={**emulated(), ASKED: "yes"})
    assert (child.returncode, child.stdout) == (1, "")
    assert child.stderr == f"sitecustomize: the environment variable {ASKED} must be 0 or 1, not 'yes'\n"


@pytest.mark.parametrize("environ", [{}, {ASKED: ""}, {ASKED: "0"}])
def test_nothing_is_done_unless_the_variable_is_1(environ: dict[str, str]) -> None:
    assert activate_if_asked(environ) is False


@emulator
def test_asyncio_is_reshaped_if_the_variable_is_1() -> None:
    code = "import os, tests.emulated_316 as e; print(e.is_active(), e.activate_if_asked(), e.is_active())"
    assert output(code, env={**plain(), ASKED: "1"}) == "False True True"


def test_the_environment_for_children_keeps_other_entries_and_can_be_extended_again() -> None:
    site = str(Path(__file__).resolve().parent / "site")
    bare = environment({"PATH": "/bin", "PYTHONPATH": ""})
    assert bare == {"PATH": "/bin", ASKED: "1", "PYTHONPATH": site}
    assert environment(bare) == bare
    more = environment({"PYTHONPATH": os.pathsep.join(["a", "b"])})
    assert more["PYTHONPATH"].split(os.pathsep) == [site, "a", "b"]


@emulator
def test_a_python_is_reshaped_when_it_starts_unless_the_variable_is_0() -> None:
    assert output(TELL, env=emulated()) == "True"
    assert output(TELL, env={**emulated(), ASKED: "0"}) == "False"


@emulator
@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_processes_of_multiprocessing_are_reshaped(method: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        dedent(f"""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        from tests.emulated_316 import is_active

        if __name__ == "__main__":
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context({method!r})) as pool:
                print(pool.submit(is_active).result())
        """)
    )
    child = python(str(script), env=emulated())
    assert (child.returncode, child.stdout.strip()) == (0, "True"), child.stderr


@emulator
def test_subinterpreters_are_reshaped() -> None:
    code = """
    from concurrent.interpreters import create
    interpreter = create()
    interpreter.exec("import asyncio.events; assert hasattr(asyncio.events, '_local'), dir(asyncio.events)")
    interpreter.exec("assert not hasattr(asyncio, 'get_event_loop_policy')")
    interpreter.close()
    """
    output(code, env=emulated())


@emulator
def test_a_sitecustomize_later_on_the_path_still_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import asyncio; print(__name__, hasattr(asyncio.events, '_local'))")
    env = emulated()
    env["PYTHONPATH"] = os.pathsep.join([env["PYTHONPATH"], str(tmp_path)])
    assert output("", env=env) == "sitecustomize True"


@emulator
@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_a_test_run_with_the_plugin_and_its_children_are_reshaped(workers: tuple[str, ...], tmp_path: Path) -> None:
    if workers:
        pytest.importorskip("xdist")
    (tmp_path / "test_it.py").write_text(
        dedent("""
        import asyncio, os, subprocess, sys

        def test_here():
            assert ("PYTEST_XDIST_WORKER" in os.environ) == IN_WORKER
            assert not hasattr(asyncio, "get_event_loop_policy")

        def test_child():
            code = "import asyncio, sys; sys.exit(hasattr(asyncio, 'get_event_loop_policy'))"
            assert subprocess.run([sys.executable, "-c", code]).returncode == 0
        """).replace("IN_WORKER", str(bool(workers)))
    )
    plugins = ("-p", "tests.emulated_316.plugin", "-p", "no:cacheprovider", *workers)
    env = {**plain(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    child = python("-m", "pytest", *plugins, "--rootdir", str(tmp_path), str(tmp_path), env=env)
    assert child.returncode == 0, child.stdout + child.stderr
    assert "asyncio: as of Python 3.16, without policies (emulated on" in child.stdout
    assert "2 passed" in child.stdout
