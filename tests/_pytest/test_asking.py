"""The plugin isolates the tests that request isolation, in any of the documented ways, and costs other runs nothing."""

from __future__ import annotations

import sys

import pytest

from tests._pytest.conftest import OURS, Inner, RunPytest


def test_a_run_without_a_request_for_isolation_behaves_as_without_the_plugin(inner: Inner) -> None:
    source = """
        import asyncio, sys
        from asyncio import base_events, events

        previous = getattr(events, "_event_loop_policy", None)
        init = base_events.BaseEventLoop.__init__

        def test_leaves():
            asyncio.set_event_loop(asyncio.new_event_loop())

        def test_finds():
            asyncio.get_event_loop().close()
            asyncio.set_event_loop(None)

        def test_nothing_is_installed():
            policy = getattr(events, "_event_loop_policy", None)
            assert previous is None or policy is previous
            assert base_events.BaseEventLoop.__init__ is init
            assert "ctxpolicy._asyncio" not in sys.modules
    """
    inner(source, "-W", "error", cold=True).assert_outcomes(passed=3)


def test_a_run_without_a_request_for_isolation_imports_neither_asyncio_nor_ctxpolicy(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins import asyncio
    pytester.makepyfile("def test_it(): pass")
    program = """
        import sys
        import pytest
        assert pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]]) == 0
        print("imported:", *(name for name in sys.modules if name.split(".")[0] in ("asyncio", "ctxpolicy")))
    """
    path = pytester.makepyfile(program=program)

    def imported(*options: str) -> set[str]:
        return set(pytester.run(sys.executable, path, *options).outlines[-1].split())

    without, there = imported(), imported("-p", "ctxpolicy.pytest_plugin")
    assert there - without == {
        f"ctxpolicy{module}" for module in ("", ".pytest_plugin", "._pytest", "._pytest.options")
    }
    assert without - there == set()
    # pytest itself imports asyncio on Python 3.14 and later, by way of pdb.
    assert {name.partition(".")[0] for name in without} <= {"imported:", "asyncio"}


ASKED = """
    import asyncio, unittest
    import pytest

    def isolated():
        from ctxpolicy._asyncio.host import host
        return hasattr(host.in_force(), "resolver")

    def test_before():
        assert not isolated()

    {asking}

    def test_after():
        assert not isolated()
"""
ASKING = {
    "a marker": """
    @pytest.mark.ctxpolicy
    def test_it():
        assert isolated()
    """,
    "a fixture": """
    def test_it(ctxpolicy_resolver):
        assert isolated()
    """,
    "a fixture of a fixture": """
    @pytest.fixture
    def mine(ctxpolicy_loop):
        return ctxpolicy_loop

    def test_it(mine):
        assert isolated()
        assert asyncio.get_event_loop() is mine
    """,
    "a fixture asked for in the test": """
    def test_it(request):
        assert not isolated()
        loop = request.getfixturevalue("ctxpolicy_loop")
        assert isolated()
        assert asyncio.get_event_loop() is loop
    """,
    "a marker in unittest": """
    @pytest.mark.ctxpolicy
    class Case(unittest.TestCase):
        def test_it(self):
            assert isolated()
    """,
    "a fixture in unittest": """
    class Case(unittest.TestCase):
        @pytest.fixture(autouse=True)
        def resolver(self, ctxpolicy_resolver):
            self.resolver = ctxpolicy_resolver

        def test_it(self):
            assert isolated()
            assert self.resolver.get() is None
    """,
    "a marker put on by a conftest": """
    def test_it():
        assert isolated()
    """,
}


@pytest.mark.parametrize("way", ASKING)
def test_the_first_test_that_requests_isolation_activates_the_plugin(inner: Inner, way: str) -> None:
    late = """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item):
            if item.name == "test_it":
                item.add_marker("ctxpolicy")
    """
    conftest = late if way == "a marker put on by a conftest" else ""
    result = inner(ASKED.replace("{asking}", ASKING[way]), "-W", "error", conftest=conftest)
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize("leaks", ["error", "warn", "ignore"])
def test_the_leaks_option_on_the_command_line_isolates_all_tests(inner: Inner, leaks: str) -> None:
    source = """
        import asyncio

        def test_leaves():
            asyncio.set_event_loop(asyncio.new_event_loop())

        def test_after(ctxpolicy_resolver):
            assert type(ctxpolicy_resolver).__name__ == "ContextVarResolver"
            assert ctxpolicy_resolver.get() is None
    """
    result = inner(source, f"--ctxpolicy-leaks={leaks}")
    result.assert_outcomes(passed=2, errors=leaks == "error", warnings=leaks == "warn")


def test_the_leaks_option_in_the_ini_file_isolates_no_test(inner: Inner) -> None:
    source = """
        import asyncio
        import pytest

        def test_leaves():
            test_leaves.loop = asyncio.new_event_loop()

        def test_finds():
            assert not test_leaves.loop.is_closed()
            test_leaves.loop.close()

        @pytest.mark.ctxpolicy
        def test_asks():
            test_asks.loop = asyncio.new_event_loop()
    """
    result = inner(source, ini="ctxpolicy_leaks = error")
    result.assert_outcomes(passed=3, errors=1)


def test_the_plugin_does_not_run_coroutine_tests_itself(inner: Inner) -> None:
    source = """
        async def test_it(ctxpolicy_loop):
            raise AssertionError("it was run")
    """
    result = inner(source, ini="ctxpolicy = contextvar")
    result.assert_outcomes(**{"skipped" if pytest.version_tuple < (8, 4) else "failed": 1})
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])
    assert "it was run" not in "".join(line for line in result.outlines if line.startswith("E "))


def test_the_plugin_can_be_disabled(pytester: pytest.Pytester, run_pytest: RunPytest) -> None:
    pytester.makeini("[pytest]\nctxpolicy = contextvar")
    pytester.makepyfile("""
        import sys

        def test_it(request):
            assert "ctxpolicy" not in sys.modules
            assert not hasattr(request.config.option, "ctxpolicy")
    """)
    result = run_pytest("-p", f"no:{OURS}", "-p", "no:asyncio", plugins=None, cold=True)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*PytestConfigWarning: Unknown config option: ctxpolicy*"])
