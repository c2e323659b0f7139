"""The check reads real packages without a problem, and its findings are those on its documentation page."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

from ctxpolicy._check import Report, check_paths

PAGE = Path(__file__).parents[2] / "docs" / "check" / "index.md"
ROW = re.compile(r"^\| ([\w-]+) ([\d.]+)[^|]*\| ([\d,]+) \| (\d+) \| (\d+) \| (\d+) \| ([^|]*)\|$", re.MULTILINE)


class Findings(NamedTuple):
    """The number of findings, the number of those that fail on the target, and the number for each rule."""

    number: int
    failing: int
    by_rule: dict[str, int]


class Row(NamedTuple):
    """A row of the table on the page."""

    package: str
    version: str
    lines: int
    files: int
    findings: Findings


def row(package: str, version: str, lines: str, files: str, findings: str, failing: str, by_rule: str) -> Row:
    counts = {code: int(number) for number, code in re.findall(r"(\d+) (CTX\d+)", by_rule)}
    return Row(package, version, int(lines.replace(",", "")), int(files), Findings(int(findings), int(failing), counts))


ROWS = [row(*columns) for columns in ROW.findall(PAGE.read_text(encoding="utf-8"))]


def findings_of(report: Report) -> Findings:
    by_rule = Counter(finding.code for finding in report.findings)
    return Findings(len(report.findings), len(report.failing), dict(by_rule))


def test_the_page_describes_six_packages() -> None:
    assert len(ROWS) == 6


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.package)
def test_the_findings_in_a_package_are_those_on_the_page(row: Row) -> None:
    """The test skips only packages that are not installed.

    If a package is installed in another version than the page describes, the numbers of lines and files may differ, but
    the findings may not. A release that changes them fails this test until the page describes that release.
    """
    spec = importlib.util.find_spec(row.package.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"needs the package {row.package}, which is not installed")
    (folder,) = spec.submodule_search_locations
    report = check_paths([folder])
    assert report.problems == []
    installed = version(row.package)
    assert findings_of(report) == row.findings, (
        f"docs/check/index.md describes {row.package} {row.version}; check the findings in the installed "
        f"{installed} by hand, and describe them there"
    )
    if installed == row.version:
        lines = sum(file.read_bytes().count(b"\n") for file in Path(folder).rglob("*.py"))
        assert (lines, report.files) == (row.lines, row.files)
