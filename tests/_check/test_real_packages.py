"""The check reads real packages without a crash, and finds in them what its page says."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

from ctxpolicy._check import check_paths

PAGE = Path(__file__).parents[2] / "docs" / "check" / "index.md"
ROW = re.compile(r"^\| ([\w-]+) ([\d.]+)[^|]*\| ([\d,]+) \| (\d+) \| (\d+) \| (\d+) \| ([^|]*)\|$", re.MULTILINE)


class Row(NamedTuple):
    """A line of the page's table."""

    package: str
    version: str
    lines: int
    files: int
    findings: int
    failing: int
    by_rule: dict[str, int]


def rows() -> list[Row]:
    return [
        Row(
            package,
            its_version,
            int(lines.replace(",", "")),
            *map(int, numbers),  # type: ignore[arg-type]
            {code: int(number) for number, code in re.findall(r"(\d+) (CTX\d+)", by_rule)},
        )
        for package, its_version, lines, *numbers, by_rule in ROW.findall(PAGE.read_text(encoding="utf-8"))
    ]


def test_the_page_tells_of_six_packages() -> None:
    assert len(rows()) == 6


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.package)
def test_what_the_page_says_of_a_package_is_what_is_found(row: Row) -> None:
    spec = importlib.util.find_spec(row.package.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"needs the package {row.package}, which is not installed")
    (folder,) = spec.submodule_search_locations
    report = check_paths([folder])
    assert report.problems == []
    if version(row.package) != row.version:
        pytest.skip(
            f"the page tells of {row.package} {row.version}; of {version(row.package)} only that it can be read"
        )
    lines = sum(file.read_bytes().count(b"\n") for file in Path(folder).rglob("*.py"))
    found = Counter(finding.code for finding in report.findings)
    assert Row(*row[:2], lines, report.files, len(report.findings), len(report.failing), dict(found)) == row
