"""The contract in an author's test suite: with pytest or unittest, in one or several processes, without plugins."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from ctxpolicy.testing import BrokenLawError, DescriptionError, ResolverContract
from ctxpolicy.testing._harness.new_process import run_elsewhere
from ctxpolicy.testing._laws import decorator as _law
from tests.support.programs import environment, run_program

pytestmark = pytest.mark.timeout(240)  # a test starts several processes of pytest

MODULE = """
    import contextlib, threading, unittest
    from ctxpolicy import ContextResolver, ThreadResolver
    from ctxpolicy.testing import ResolverContract, thread_context

    class Right(ContextResolver):
        def __init__(self):
            self.inner = ThreadResolver()

        def get(self):
            return self.inner.get()

        def set(self, loop):
            self.inner.set(loop)

    class Broken(Right):
        def set(self, loop):
            if loop is not None:
                super().set(loop)

    class TestRight(ResolverContract{testcase}):
        model_examples = 3

        def make_resolver(self):
            return Right()

        def new_context(self):
            return thread_context()

    class TestBroken(TestRight):
        def make_resolver(self):
            return Broken()

    if __name__ == "__main__":
        unittest.main()
"""


@pytest.fixture
def suite(tmp_path):
    def write(testcase=""):
        path = tmp_path / "test_suite_of_an_author.py"
        path.write_text(textwrap.dedent(MODULE.format(testcase=testcase)))
        return path

    return write


def run(path, *command):
    done = subprocess.run(
        [sys.executable, *command], cwd=path.parent, env=environment(), capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_in_pytest_a_right_resolver_passes_and_the_failure_of_a_broken_one_names_its_law(suite):
    path = suite()
    kept_out = [option for name in ("randomly", "asyncio", "cacheprovider") for option in ("-p", f"no:{name}")]
    status, told = run(path, "-m", "pytest", "-q", *kept_out, path.name)
    assert status == 1
    assert "FAILED test_suite_of_an_author.py::TestBroken::test_law_5_set_none_removes_what_was_set" in told
    assert "FAILED test_suite_of_an_author.py::TestRight" not in told
    assert "Broken breaks law 5 (set(None) removes the loop that was set" in told
    assert "  2. in the test's own context: get() returns None" in told


def test_in_several_processes_of_pytest_the_result_is_the_same(suite):
    pytest.importorskip("xdist")
    path = suite()
    # Without pytest-asyncio, which warns about its configuration.
    options = ("-q", "-n", "2", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error", "-k", "TestRight")
    status, told = run(path, "-m", "pytest", *options, path.name)
    assert (status, "passed" in told) == (0, True), told


@pytest.mark.parametrize("command", [["-m", "unittest", "test_suite_of_an_author.TestRight"], None])
def test_it_runs_in_unittest_by_name_or_as_a_program(suite, command):
    path = suite(", unittest.TestCase")
    status, told = run(path, *(command or [path.name, "TestRight"]))
    assert status == 0, told
    assert f"Ran {len(_law.tests_of(ResolverContract))} tests" in told


def test_without_optional_packages_only_the_random_steps_fail_and_say_what_to_install(suite):
    path = suite(", unittest.TestCase")
    for name in ("pytest", "hypothesis", "greenlet", "trio", "uvloop", "anyio", "tornado"):
        (path.parent / f"{name}.py").write_text(f"raise ModuleNotFoundError('kept out', name={name!r})")
    status, told = run(path, "-m", "unittest", "test_suite_of_an_author.TestRight")
    assert status == 1
    assert f"Ran {len(_law.tests_of(ResolverContract))} tests" in told
    assert told.count("\nERROR: ") == 1
    assert "\nERROR: test_model_random_steps_do_what_a_plain_model_does" in told
    assert "ImportError: this test needs hypothesis: pip install 'ctxpolicy[testing]'" in told
    assert "FAIL: " not in told


def test_ctxpolicy_imports_neither_the_contract_nor_its_dependencies():
    program = """
        import sys, ctxpolicy
        print({"ctxpolicy.testing", "pytest", "hypothesis", "unittest"} & sys.modules.keys() or "none")
        import ctxpolicy.testing
        print({"pytest", "hypothesis"} & sys.modules.keys() or "none")
    """
    assert run_program(textwrap.dedent(program)).split() == ["none", "none"]


class Elsewhere(ResolverContract):
    """Methods that are called in a new process."""

    def fine(self):
        assert type(self).__module__ == __name__

    def breaks(self):
        raise BrokenLawError(6, "it leaks")

    def lies(self):
        raise DescriptionError(3, "it lies")

    def fails(self):
        raise LookupError("something else")

    def prints(self):
        print("hello")


def test_a_broken_law_in_a_new_process_is_raised_in_this_process():
    run_elsewhere(Elsewhere(), ["fine"])
    with pytest.raises(BrokenLawError, match=r"in a process of its own \(-I\): it leaks") as caught:
        run_elsewhere(Elsewhere(), ["fine", "breaks"], "-I")
    assert caught.value.law == 6
    with pytest.raises(DescriptionError, match=r"\(no options\): it lies"):
        run_elsewhere(Elsewhere(), ["lies"])


def test_another_failure_in_a_new_process_is_raised_with_its_traceback():
    with pytest.raises(RuntimeError, match=r"(?s)fails ended with 1:\nTraceback.*LookupError: something else"):
        run_elsewhere(Elsewhere(), ["fails"])


def test_unexpected_output_of_a_new_process_is_an_error():
    with pytest.raises(RuntimeError, match="prints ended with 0:\nhello"):
        run_elsewhere(Elsewhere(), ["prints"])


RELATIVE = """
    from ctxpolicy.testing import ResolverContract, thread_context
    from .helpers import ThreadResolver

    class TestRelative(ResolverContract):
        def make_resolver(self):
            return ThreadResolver()

        def new_context(self):
            return thread_context()
"""


# The command pytest does not have the current folder on its path. With -c and pytester the folder is there.
PYTEST = "import sys; del sys.path[:2]; import pytest; sys.exit(pytest.main())"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.parametrize("kind", ["folder", "package", "package beside another one of its name"])
def test_a_module_finds_its_neighbours_in_a_process_of_its_own_if_pytest_imports_by_importlib(
    pytester, monkeypatch, kind
):
    suite = pytester.mkdir("suite")
    (suite / "sub").mkdir()
    (suite / "sub" / "helpers.py").write_text("from ctxpolicy import ThreadResolver")
    (suite / "sub" / "test_relative.py").write_text(textwrap.dedent(RELATIVE))
    (pytester.path / "elsewhere" / "suite" / "sub").mkdir(parents=True)
    if kind != "folder":
        for folder in (suite, suite / "sub", pytester.path / "elsewhere" / "suite"):
            (folder / "__init__.py").touch()
    if kind == "package beside another one of its name":
        monkeypatch.setenv("PYTHONPATH", environment(pytester.path / "elsewhere")["PYTHONPATH"])
    else:
        monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    root = ["--rootdir", pytester.path]  # the temporary folder may be in the checkout; names start at the root
    kept_out = [option for name in ("randomly", "asyncio", "cacheprovider") for option in ("-p", f"no:{name}")]
    done = pytester.run(sys.executable, "-c", PYTEST, "--import-mode=importlib", "-k", "fork", *kept_out, *root, suite)
    done.assert_outcomes(passed=1)


SMALL = """
from ctxpolicy.testing import ResolverContract

class Mine(ResolverContract):
    def fine(self):
        pass
"""


def test_a_module_is_found_by_its_file_if_its_name_is_that_of_another_module(tmp_path, monkeypatch):
    path = tmp_path / "json.py"
    path.write_text(SMALL)
    namespace = {"__name__": "json", "__file__": str(path)}
    exec(compile(SMALL, str(path), "exec"), namespace)
    monkeypatch.setattr("inspect.getsourcefile", lambda _: str(path))
    run_elsewhere(namespace["Mine"](), ["fine"])
    for name in ("__main__", "no_such_package.module", "json.no_such_module"):
        namespace["Mine"].__module__ = name
        run_elsewhere(namespace["Mine"](), ["fine"])


def test_a_module_whose_source_is_no_python_file_cannot_be_imported(monkeypatch):
    namespace = {"__name__": "no_such_module"}
    exec(SMALL, namespace)
    monkeypatch.setattr("inspect.getsourcefile", lambda _: "a notebook")
    with pytest.raises(RuntimeError, match="the module no_such_module cannot be imported from 'a notebook'"):
        run_elsewhere(namespace["Mine"](), ["fine"])
