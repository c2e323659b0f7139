"""The plugin's page in the docs: its examples are tests, and run as such, with the settings that it shows."""

from __future__ import annotations

import importlib.util
import re

import pytest

from tests._pytest.conftest import HAS_POLICIES, PYTEST_ASYNCIO, WITH_POLICIES
from tests.support.programs import ROOT

PAGE = (ROOT / "docs" / "how-to" / "pytest-plugin.md").read_text(encoding="utf-8")
# A section's title, the plugins beside ours, the packages that it needs, and how many tests pass.
SECTIONS = {
    "All tests": ((), (), 2),
    "One test": ((), ("uvloop",), 4),
    "With pytest-asyncio": ((PYTEST_ASYNCIO,), ("pytest_asyncio",), 4),
    "With anyio": (("anyio",), ("anyio",), 2),
}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return found


def test_no_example_is_outside_of_these_sections() -> None:
    assert blocks(PAGE, "python") == [block for title in SECTIONS for block in blocks(section(title), "python")]


@pytest.mark.parametrize("title", SECTIONS)
def test_the_examples_of_a_section_pass(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, title: str) -> None:
    plugins, packages, passed = SECTIONS[title]
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs the package {package}, which is not installed")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    settings = (blocks(section(title), "toml") or blocks(PAGE, "toml"))[0]
    pytester.makepyprojecttoml(settings)
    pytester.makepyfile("\n".join(blocks(section(title), "python")))
    also = (WITH_POLICIES,) if PYTEST_ASYNCIO in plugins and not HAS_POLICIES else ()
    loaded = [option for name in (*plugins, "ctxpolicy.pytest_plugin", *also) for option in ("-p", name)]
    result = pytester.runpytest_subprocess(*loaded, "-p", "no:cacheprovider", "-W", "error", timeout=300)
    result.assert_outcomes(passed=passed)
