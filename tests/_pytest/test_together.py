"""With pytest-xdist, and with all plugins that are installed, found by their entry points as in a user's own run."""

from __future__ import annotations

import importlib.util
import re

import pytest

from tests._pytest.conftest import HAS_POLICIES, PYTEST_ASYNCIO, WITH_POLICIES, Inner

pytestmark = pytest.mark.timeout(240)  # each test starts several processes of pytest, with all plugins

NEEDED = {"asyncio": "pytest_asyncio", "anyio": "anyio"}  # a plugin's name, and the package that brings it


@pytest.fixture
def all_plugins(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Have pytest find its plugins by itself."""
    also = "" if HAS_POLICIES else f"-p {WITH_POLICIES} "
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
    monkeypatch.setenv("PYTEST_ADDOPTS", f"{also}-p no:cacheprovider")
    pytester.makeini("[pytest]\nctxpolicy = contextvar\nctxpolicy_leaks = error\n")
    return pytester


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
    # pytest-asyncio warns of sync tests that bear its mark.
    plugins = ("xdist", PYTEST_ASYNCIO if plugin == "asyncio" else plugin)
    result = inner(source, "-n", "2", "-W", "ignore:.*is marked with", ini=ini, plugins=plugins)
    result.assert_outcomes(passed=8)


@pytest.mark.parametrize("kept_out", [(), ("asyncio",), ("anyio",), ("asyncio", "anyio"), ("xdist",)], ids=str)
def test_any_other_plugin_may_be_kept_out(all_plugins: pytest.Pytester, kept_out: tuple[str, ...]) -> None:
    all_plugins.makepyfile("""
        import asyncio
        import pytest

        @pytest.mark.parametrize("turn", range(2))
        def test_it(turn, ctxpolicy_resolver):
            assert ctxpolicy_resolver.get() is None
            asyncio.set_event_loop(asyncio.new_event_loop())
            asyncio.get_event_loop().close()
    """)
    options = [option for plugin in kept_out for option in ("-p", f"no:{plugin}")]
    all_plugins.runpytest_subprocess(*options, timeout=300).assert_outcomes(passed=2)


def test_pytest_asyncio_kept_out_is_not_asked_to_make_loops(all_plugins: pytest.Pytester) -> None:
    all_plugins.makeini("[pytest]\nctxpolicy_pytest_asyncio = true")
    result = all_plugins.runpytest_subprocess("-p", "no:asyncio", timeout=300)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*pytest-asyncio is not installed or not active: remove the option*"])


def test_no_name_of_ours_is_another_plugins(all_plugins: pytest.Pytester) -> None:
    there = {plugin for plugin, package in NEEDED.items() if importlib.util.find_spec(package)}
    fixtures = all_plugins.runpytest_subprocess("--fixtures", "-v", timeout=300).stdout.str()
    found = re.findall(r"^(\w+)(?: \[\w+ scope\])? -- (\S+):\d+$", fixtures, re.MULTILINE)
    ours = {name for name, path in found if "ctxpolicy/pytest_plugin.py" in path}
    theirs = {name for name, path in found if "ctxpolicy/pytest_plugin.py" not in path}
    assert ours == {"ctxpolicy_loop", "ctxpolicy_loop_factory", "ctxpolicy_policy", "ctxpolicy_resolver"}
    assert {"event_loop_policy"} <= theirs or "asyncio" not in there
    assert {"anyio_backend"} <= theirs or "anyio" not in there
    assert not [name for name in theirs if name.startswith("ctxpolicy")]
    markers = all_plugins.runpytest_subprocess("--markers", timeout=300).stdout.str()
    names = re.findall(r"^@pytest\.mark\.(\w+)", markers, re.MULTILINE)
    assert names.count("ctxpolicy") == 1
    assert there <= set(names)
