"""Wrong options and markers are refused: the error names the wrong value and the allowed values."""

from __future__ import annotations

import pytest

from tests._pytest.conftest import Inner


@pytest.mark.parametrize(
    ("ini", "complaint"),
    [
        ("ctxpolicy = nosuch", "*the configuration: no resolver is called 'nosuch'; there are: contextvar, thread*"),
        ("ctxpolicy_missing = nosuch", "*missing must be one of asyncio, error, create, not 'nosuch'*"),
        ("ctxpolicy_leaks = nosuch", "*leaks must be one of error, warn, ignore, not 'nosuch'*"),
        ("ctxpolicy_loop_factories = nosuch", "*no loop factory is called 'nosuch'; there are: asyncio*"),
        ("ctxpolicy_pytest_asyncio = nosuch", "*nosuch*"),
    ],
)
def test_a_wrong_value_in_the_ini_file_ends_the_run(inner: Inner, ini: str, complaint: str) -> None:
    result = inner("def test_it(): pass", ini=ini)
    assert result.ret != pytest.ExitCode.OK
    (result.stderr if complaint != "*nosuch*" else result.stdout if result.outlines else result.stderr).fnmatch_lines(
        [complaint]
    )


def test_a_wrong_value_on_the_command_line_ends_the_run(inner: Inner) -> None:
    result = inner("def test_it(): pass", "--ctxpolicy=nosuch")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no resolver is called 'nosuch'*"])


def test_an_unknown_option_in_the_ini_file_is_reported_by_pytest(inner: Inner) -> None:
    result = inner("def test_it(): pass", "--strict-config", ini="ctxpolicy_lekas = warn")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*Unknown config option: ctxpolicy_lekas*"])


@pytest.mark.parametrize(
    ("marker", "complaint"),
    [
        (
            "'task'",
            "*test_it*the marker ctxpolicy takes resolver, missing, loop_factory, leaks, each by name, not 'task'*",
        ),
        ("resolvr='task'", "*test_it*takes resolver, missing, loop_factory, leaks, each by name, not resolvr*"),
        ("resolver='nosuch'", "*test_it*no resolver is called 'nosuch'*"),
        ("resolver=5", "*test_it*a resolver must be an instance of ContextResolver, or the name of one, not 5*"),
        ("missing='nosuch'", "*test_it*missing must be one of asyncio, error, create, not 'nosuch'*"),
        ("leaks=True", "*test_it*leaks must be one of error, warn, ignore, not True*"),
        ("loop_factory=['nosuch']", "*test_it*no loop factory is called 'nosuch'*"),
    ],
)
def test_a_wrong_marker_is_an_error_that_names_the_test(inner: Inner, marker: str, complaint: str) -> None:
    source = f"""
        import pytest

        @pytest.mark.ctxpolicy({marker})
        def test_it():
            pass
    """
    result = inner(source)
    assert result.ret != pytest.ExitCode.OK
    assert "passed" not in result.stdout.str()
    (result.stderr if result.ret == pytest.ExitCode.USAGE_ERROR else result.stdout).fnmatch_lines([complaint])


def test_a_loop_factory_that_makes_no_loop_is_reported(inner: Inner) -> None:
    source = """
        import pytest

        @pytest.mark.ctxpolicy(loop_factory=lambda: None)
        def test_it(ctxpolicy_loop):
            pass
    """
    result = inner(source)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["E *LoopFactoryError: the loop factory *<lambda>* returned None, which is no event loop*"]
    )


def test_several_loop_factories_are_refused_if_a_test_cannot_run_with_each(inner: Inner) -> None:
    source = """
        import unittest
        import pytest

        @pytest.mark.ctxpolicy(loop_factory=["asyncio", "selector"])
        class Case(unittest.TestCase):
            def test_it(self):
                pass

        @pytest.mark.ctxpolicy(loop_factory=["selector"])
        class Once(unittest.TestCase):
            def test_it(self):
                pass
    """
    result = inner(source)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["test_it.py::Case::test_it: the marker's loop_factory is a list of several*name one*"])
