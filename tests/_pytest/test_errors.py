"""An error is reported once and clearly, without lines of the plugin's own code."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctxpolicy._pytest import leaks
from tests._pytest.conftest import PYTEST_ASYNCIO, Inner


def test_a_marker_that_cannot_be_used_is_one_error_of_its_unittest_case(inner: Inner) -> None:
    source = """
        import unittest
        import pytest

        @pytest.mark.ctxpolicy(resolver="nosuch")
        class Case(unittest.TestCase):
            def test_it(self):
                pass

        def test_after():
            pass
    """
    result = inner(source)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at setup of Case.test_it*", "test_it.py::Case::test_it: no resolver is called 'nosuch'; *"],
        consecutive=True,
    )
    for word in ("KeyError", "traceback", "exception"):
        assert word not in result.stdout.str()
    assert "plugin.py" not in result.stdout.str()


def test_a_conflict_that_a_filter_turns_into_an_error_is_one_error_of_its_test(inner: Inner) -> None:
    pytest.importorskip("pytest_asyncio", reason="needs the package pytest-asyncio, which is not installed")
    source = """
        import pytest

        @pytest.mark.ctxpolicy(loop_factory="selector")
        @pytest.mark.asyncio
        async def test_it():
            pass

        def test_after():
            pass
    """
    error = "error::ctxpolicy.pytest_plugin.CtxPolicyLeakWarning"
    result = inner(source, "-W", error, plugins=(PYTEST_ASYNCIO,))
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_it*", "E *the marker's loop_factory does not reach*"])
    assert "KeyError" not in result.stdout.str()


def test_leaks_are_reported_without_a_traceback(inner: Inner) -> None:
    source = """
        import asyncio

        def test_it():
            test_it.loop = asyncio.new_event_loop()
    """
    result = inner(source, ini="ctxpolicy = contextvar\nctxpolicy_leaks = error")
    result.assert_outcomes(passed=1, errors=1)
    lines = ["*ERROR at teardown of test_it*", "test_it.py::test_it left behind:", "- *was left open*", "=*"]
    result.stdout.fnmatch_lines(lines, consecutive=True)


def test_all_leaks_that_a_filter_turns_into_errors_are_named(inner: Inner) -> None:
    source = """
        import asyncio

        def test_it():
            test_it.loops = [asyncio.new_event_loop() for _ in range(3)]
            test_it.loops[0].set_debug(True)
    """
    result = inner(source, ini="ctxpolicy = contextvar\nfilterwarnings = error:.*debug=False")
    result.assert_outcomes(passed=1, errors=1, warnings=1)
    result.stdout.fnmatch_lines(
        ["E *debug=False*was left open*", "    *debug=False*was left open*", "*warnings summary*"]
    )
    result.stdout.fnmatch_lines(["*CtxPolicyLeakWarning: *debug=True*was left open*"])


@pytest.mark.parametrize("scope", ["function", "module"])
def test_the_traceback_of_a_fixture_that_fails_contains_no_line_of_the_plugin(inner: Inner, scope: str) -> None:
    source = f"""
        import pytest

        @pytest.fixture(scope="{scope}")
        def broken():
            raise ValueError("broken")

        def test_it(broken):
            pass
    """
    result = inner(source, ini="ctxpolicy = contextvar")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *ValueError: broken"])
    modules = {path.name for path in Path(leaks.__file__).parent.iterdir() if path.suffix == ".py"}
    assert {"plugin.py", "isolated_test.py", "fixture_resources.py"} <= modules
    for own in (*modules, "contextlib.py"):
        assert own not in result.stdout.str()
