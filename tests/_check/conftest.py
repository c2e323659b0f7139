"""What the tests of the static check share."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from ctxpolicy._check import Finding, Report, check_paths

Check = Callable[[str], Report]
Findings = Callable[[str], list[Finding]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Check a program given as text."""

    def run(program: str) -> Report:
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(program), "utf-8")
        report = check_paths([file])
        assert not report.problems
        return report

    return run


@pytest.fixture
def findings(check: Check) -> Findings:
    """Give the findings in a program given as text."""
    return lambda program: list(check(program).findings)


@pytest.fixture
def found(findings: Findings) -> Callable[[str], list[tuple[str, int]]]:
    """Give rule and line of each finding in a program given as text."""
    return lambda program: [(finding.code, finding.line) for finding in findings(program)]
