"""Runs with pytest-xdist, and with all installed plugins, which pytest finds by their entry points."""

from __future__ import annotations

import functools
import importlib.util
import re

import pytest

from tests._pytest.conftest import OURS, PYTEST_ASYNCIO, Inner, RunPytest

pytestmark = pytest.mark.timeout(240)  # each test starts several processes of pytest, with all plugins

NEEDED = {"asyncio": "pytest_asyncio", "anyio": "anyio"}  # the name of a plugin: the package that contains it


@pytest.fixture
def run_with_all_plugins(pytester: pytest.Pytester, run_pytest: RunPytest) -> RunPytest:
    """Run pytest with all plugins that it finds itself."""
    pytester.makeini("[pytest]\nctxpolicy = contextvar\nctxpolicy_leaks = error\n")
    return functools.partial(run_pytest, plugins=None)


WORKERS = """
    import asyncio
    import pytest


    @pytest.fixture(scope="class")
    def loop():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        yield loop
        loop.close()

    class Isolated:
        @pytest.mark.parametrize("turn", range(4))
        def test_it(self, turn, loop, ctxpolicy_resolver):
            assert ctxpolicy_resolver.get() is None
            asyncio.set_event_loop(loop)
            assert loop.run_until_complete(asyncio.sleep(0, turn)) == turn

        def test_leak(self):
            asyncio.set_event_loop(asyncio.new_event_loop())

    class TestOne(Isolated):
        pass

    class TestTwo(Isolated):
        pass
"""


@pytest.mark.parametrize("how", ["load", "loadscope", "loadfile", "loadgroup", "worksteal", "no", "each"])
def test_each_worker_of_pytest_xdist_is_isolated(inner: Inner, how: str) -> None:
    pytest.importorskip("xdist", reason="needs the package pytest-xdist, which is not installed")
    arguments = ["-n", "2", "--dist", how, "--ctxpolicy=contextvar"]
    result = inner(WORKERS, *arguments, ini="ctxpolicy_missing = error", plugins=("xdist",))
    runs = 2 if how == "each" else 1
    result.assert_outcomes(passed=runs * 10, warnings=runs * 2)
    result.stdout.fnmatch_lines(["*CtxPolicyLeakWarning: *made at *test_it.py:* was left open*"])


ASYNC = """
    import asyncio
    import pytest
    import PACKAGE

    pytestmark = pytest.mark.PLUGIN

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    @pytest.mark.parametrize("turn", range(4))
    async def test_async(turn):
        asyncio.set_event_loop(asyncio.get_running_loop())
        await asyncio.to_thread(int)

    @pytest.mark.parametrize("turn", range(4))
    def test_sync(turn, ctxpolicy_resolver):
        assert ctxpolicy_resolver.get() is None
        assert asyncio.run(asyncio.sleep(0, turn)) == turn
"""


@pytest.mark.parametrize("plugin", NEEDED)
def test_workers_of_pytest_xdist_run_the_tests_of_other_plugins(inner: Inner, plugin: str) -> None:
    for package in ("xdist", NEEDED[plugin]):
        pytest.importorskip(package, reason=f"needs the package {package}, which is not installed")
    source = ASYNC.replace("PLUGIN", plugin).replace("PACKAGE", NEEDED[plugin])
    ini = "ctxpolicy = contextvar\nctxpolicy_leaks = error\nctxpolicy_missing = error\n"
    # pytest-asyncio warns of sync tests that have its marker.
    plugins = ("xdist", PYTEST_ASYNCIO if plugin == "asyncio" else plugin)
    result = inner(source, "-n", "2", "-W", "ignore:.*is marked with", ini=ini, plugins=plugins)
    result.assert_outcomes(passed=8)


@pytest.mark.parametrize("kept_out", [(), ("asyncio",), ("anyio",), ("asyncio", "anyio"), ("xdist",)], ids=str)
def test_any_other_plugin_may_be_disabled(
    pytester: pytest.Pytester, run_with_all_plugins: RunPytest, kept_out: tuple[str, ...]
) -> None:
    pytester.makepyfile("""
        import asyncio
        import pytest

        @pytest.mark.parametrize("turn", range(2))
        def test_it(turn, ctxpolicy_resolver):
            assert ctxpolicy_resolver.get() is None
            asyncio.set_event_loop(asyncio.new_event_loop())
            asyncio.get_event_loop().close()
    """)
    options = [option for plugin in kept_out for option in ("-p", f"no:{plugin}")]
    run_with_all_plugins(*options).assert_outcomes(passed=2)


def test_our_plugin_may_be_named_even_if_pytest_finds_it_itself(
    pytester: pytest.Pytester, run_with_all_plugins: RunPytest
) -> None:
    pytester.makepyfile("""
        def test_it(request, ctxpolicy_resolver):
            ours = [name for name, _ in request.config.pluginmanager.list_name_plugin() if name.startswith("ctxpolicy")]
            assert sorted(ours) == ["ctxpolicy-isolation", "ctxpolicy.pytest_plugin"]
            assert type(ctxpolicy_resolver).__name__ == "TaskResolver"
    """)
    run_with_all_plugins("-p", OURS, "--ctxpolicy=task").assert_outcomes(passed=1)


def test_a_disabled_pytest_asyncio_cannot_be_used_to_make_loops(
    pytester: pytest.Pytester, run_with_all_plugins: RunPytest
) -> None:
    pytester.makeini("[pytest]\nctxpolicy_pytest_asyncio = true")
    result = run_with_all_plugins("-p", "no:asyncio")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*pytest-asyncio is not installed or not active: remove the option*"])


def test_no_name_of_our_plugin_is_used_by_another_plugin(run_with_all_plugins: RunPytest) -> None:
    there = {plugin for plugin, package in NEEDED.items() if importlib.util.find_spec(package)}
    fixtures = run_with_all_plugins("--fixtures", "-v").stdout.str()
    found = re.findall(r"^(\w+)(?: \[\w+ scope\])? -- (\S+):\d+$", fixtures, re.MULTILINE)
    ours = {name for name, path in found if "ctxpolicy/pytest_plugin.py" in path}
    theirs = {name for name, path in found if "ctxpolicy/pytest_plugin.py" not in path}
    assert ours == {"ctxpolicy_loop", "ctxpolicy_loop_factory", "ctxpolicy_policy", "ctxpolicy_resolver"}
    assert {"event_loop_policy"} <= theirs or "asyncio" not in there
    assert {"anyio_backend"} <= theirs or "anyio" not in there
    assert not [name for name in theirs if name.startswith("ctxpolicy")]
    markers = run_with_all_plugins("--markers").stdout.str()
    names = re.findall(r"^@pytest\.mark\.(\w+)", markers, re.MULTILINE)
    assert names.count("ctxpolicy") == 1
    assert there <= set(names)
