"""The package of the tutorial: the page shows every file of the package, and the commands print what the page says.

The session `resolver_package` of noxfile.py runs the same commands on the built wheels, in an empty environment.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.run_console import commands
from tests.support.programs import ROOT, environment

pytestmark = pytest.mark.timeout(240)  # a test starts several processes of pytest

PACKAGE = ROOT / "docs" / "examples" / "resolver_package"
PAGE = ROOT / "docs" / "write-your-own-resolver.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder to import the package from, with the metadata that an installation would have."""
    project = (PACKAGE / "pyproject.toml").read_text(encoding="utf-8")
    (name,) = re.findall(r'^name = "(.*)"$', project, re.MULTILINE)
    (version,) = re.findall(r'^version = "(.*)"$', project, re.MULTILINE)
    ((group, entries),) = re.findall(r'^\[project\.entry-points\."(.*)"\]\n((?:.+\n)+)', project, re.MULTILINE)
    site = tmp_path / "site"
    shutil.copytree(PACKAGE / "src", site, ignore=shutil.ignore_patterns("__pycache__"))
    known = site / f"{name.replace('-', '_')}-{version}.dist-info"
    known.mkdir()
    (known / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n")
    (known / "entry_points.txt").write_text(f"[{group}]\n{entries.replace(chr(34), '')}")
    return site


def test_the_page_shows_every_file_of_the_package() -> None:
    shown = set(re.findall(r"^```\{literalinclude\} examples/resolver_package/(.*)$", TEXT, re.MULTILINE))
    files = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shown == files


def test_the_commands_of_the_page_print_the_output_that_it_shows(tmp_path: Path, installed: Path) -> None:
    here = tmp_path / "package"
    shutil.copytree(PACKAGE, here, ignore=shutil.ignore_patterns("__pycache__", "src"))
    run = subprocess.run(
        [sys.executable, "-m", "tests.docs.run_console", PAGE],
        cwd=here,
        env=environment(installed, PYTEST_ADDOPTS="-p no:cacheprovider -p no:asyncio"),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [f"$ {command}" for command, _ in commands(TEXT)]
    assert len(run.stdout.splitlines()) == 5


def test_a_command_that_prints_something_else_is_reported(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ python -c \"print('this', 5)\"\nthat 5\n```\n")
    run = subprocess.run(
        [sys.executable, "-m", "tests.docs.run_console", page], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "this 5\n\nis not what the page says:\nthat 5" in run.stderr
