"""Runs of pytest inside the tests, each in a process of its own."""

from __future__ import annotations

import asyncio
import os
import textwrap
from collections.abc import Callable, Iterator

import pytest

from tests._pytest.warm_process import WarmProcess
from tests.support.programs import ROOT

OURS = "ctxpolicy.pytest_plugin"
# Not the name of the entry point, `asyncio`: a module of that name may be imported already, and pytest warns of it.
PYTEST_ASYNCIO = "pytest_asyncio.plugin"
WITH_POLICIES = "tests._pytest.with_policies"
HAS_POLICIES = hasattr(asyncio.events, "_event_loop_policy")
Inner = Callable[..., pytest.RunResult]
RunPytest = Callable[..., pytest.RunResult]


@pytest.fixture(scope="session")
def warm_process() -> Iterator[WarmProcess | None]:
    """The process from which runs of pytest are forked, ``None`` if this platform has no fork."""
    process = WarmProcess() if hasattr(os, "fork") else None
    yield process
    if process is not None:
        process.close()


@pytest.fixture
def run_pytest(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, warm_process: WarmProcess | None
) -> RunPytest:
    """Run pytest in a process of its own."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    # Makes `tests` importable even if the installed package is tested, which does not contain the tests.
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)

    def run(*args: str, plugins: tuple[str, ...] | None = (), cold: bool = False) -> pytest.RunResult:
        """Run pytest.

        Args:
            args: options.
            plugins: the modules of the only plugins to load, besides ours; ``None``: pytest finds all plugins itself.
            cold: whether the process has to import everything itself.
        """
        if plugins is None:
            monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
            names, with_asyncio = [], "no:asyncio" not in args
        else:
            monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # each plugin takes time to load
            names, with_asyncio = [*plugins, OURS], PYTEST_ASYNCIO in plugins
        if with_asyncio and not HAS_POLICIES:
            names.append(WITH_POLICIES)
        loaded = [option for name in (*names, "no:cacheprovider") for option in ("-p", name)]
        if cold or warm_process is None:
            return pytester.runpytest_subprocess(*loaded, *args, timeout=300)
        basetemp = f"--basetemp={pytester.path / 'basetemp'}"
        return warm_process.run([basetemp, *loaded, *args], pytester.path, os.environ)

    return run


@pytest.fixture
def inner(pytester: pytest.Pytester, run_pytest: RunPytest) -> Inner:
    """Run pytest on ``source`` with the ini lines ``ini`` and the files ``modules``, as ``run_pytest`` does."""

    def run(
        source: str, *args: str, ini: str = "", plugins: tuple[str, ...] = (), cold: bool = False, **modules: str
    ) -> pytest.RunResult:
        modules["test_it"] = source
        pytester.makepyfile(**{name: textwrap.dedent(text) for name, text in modules.items()})
        lines = textwrap.dedent(ini)
        if PYTEST_ASYNCIO in plugins:
            lines += "\nasyncio_default_fixture_loop_scope = function\n"
        pytester.makeini("[pytest]\n" + lines)
        return run_pytest(*args, plugins=plugins, cold=cold)

    return run
