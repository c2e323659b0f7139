"""Runs of pytest inside the tests, each in a process of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

Inner = Callable[..., pytest.RunResult]
# What every inner run does without unless it says otherwise, so that each plugin's part can be told.
OTHERS = ("asyncio", "anyio", "randomly", "xdist", "trio", "cacheprovider")


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Inner:
    """Run pytest on ``source`` with the ini lines ``ini``, and of the other plugins with ``plugins`` alone."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(source: str, *args: str, ini: str = "", plugins: tuple[str, ...] = (), **modules: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=textwrap.dedent(source), **{k: textwrap.dedent(v) for k, v in modules.items()})
        lines = textwrap.dedent(ini)
        if "asyncio" in plugins:
            lines += "\nasyncio_default_fixture_loop_scope = function\n"
        pytester.makeini("[pytest]\n" + lines)
        without = [option for name in OTHERS if name not in plugins for option in ("-p", f"no:{name}")]
        return pytester.runpytest_subprocess(*without, *args, timeout=300)

    return run
