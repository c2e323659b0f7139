"""Runs of pytest inside the tests, each in a process of its own."""

from __future__ import annotations

import asyncio
import os
import textwrap
from collections.abc import Callable

import pytest

from tests.support.programs import ROOT

# Not the entry point's name, asyncio: a module of that name may be imported already, and pytest warns of that.
PYTEST_ASYNCIO = "pytest_asyncio.plugin"
WITH_POLICIES = "tests._pytest.with_policies"
HAS_POLICIES = hasattr(asyncio.events, "_event_loop_policy")
Inner = Callable[..., pytest.RunResult]


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Inner:
    """Run pytest on ``source`` with the ini lines ``ini``, with ``plugins`` and our own, and no others."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    # `tests` is to be found where the package is installed and the tests are not, too.
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # each takes its time to load

    def run(
        source: str,
        *args: str,
        ini: str = "",
        plugins: tuple[str, ...] = (),
        ours: str = "ctxpolicy.pytest_plugin",
        **modules: str,
    ) -> pytest.RunResult:
        modules["test_it"] = source
        pytester.makepyfile(**{name: textwrap.dedent(text) for name, text in modules.items()})
        lines = textwrap.dedent(ini)
        if PYTEST_ASYNCIO in plugins:
            lines += "\nasyncio_default_fixture_loop_scope = function\n"
        pytester.makeini("[pytest]\n" + lines)
        loaded = [option for name in (*plugins, ours, *_also(plugins)) for option in ("-p", name)]
        return pytester.runpytest_subprocess(*loaded, "-p", "no:cacheprovider", *args, timeout=300)

    return run


def _also(plugins: tuple[str, ...]) -> list[str]:
    return [WITH_POLICIES] if PYTEST_ASYNCIO in plugins and not HAS_POLICIES else []
