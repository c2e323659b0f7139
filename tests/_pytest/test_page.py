"""The examples of the plugin's page in the docs are tests: they run with the settings that the page shows."""

from __future__ import annotations

import importlib.util
import re

import pytest

from tests._pytest.conftest import PYTEST_ASYNCIO, RunPytest
from tests.support.programs import ROOT

PAGE = (ROOT / "docs" / "how-to" / "pytest-plugin.md").read_text(encoding="utf-8")
# The title of a section: the plugins besides ours, the packages that the examples need, and how many tests pass.
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


def test_every_example_of_the_page_is_in_one_of_the_sections() -> None:
    assert blocks(PAGE, "python") == [block for title in SECTIONS for block in blocks(section(title), "python")]


@pytest.mark.parametrize("title", SECTIONS)
def test_the_examples_of_a_section_pass(pytester: pytest.Pytester, run_pytest: RunPytest, title: str) -> None:
    plugins, packages, passed = SECTIONS[title]
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs the package {package}, which is not installed")
    settings = (blocks(section(title), "toml") or blocks(PAGE, "toml"))[0]
    pytester.makepyprojecttoml(settings)
    pytester.makepyfile("\n".join(blocks(section(title), "python")))
    run_pytest("-W", "error", plugins=plugins).assert_outcomes(passed=passed)
