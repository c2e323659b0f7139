"""Fixtures for the tests of the static check."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from ctxpolicy._check import Finding, Report, check_paths

Outcome = Callable[[str], "str | None"]
Check = Callable[[str], Report]
Findings = Callable[[str], list[Finding]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Return a function that checks the text of a program and returns the report."""

    def run(program: str) -> Report:
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(program), "utf-8")
        report = check_paths([file])
        assert not report.problems
        return report

    return run


@pytest.fixture
def findings(check: Check) -> Findings:
    """Return a function that checks the text of a program and returns the findings."""
    return lambda program: list(check(program).findings)


@pytest.fixture
def found(findings: Findings) -> Callable[[str], list[tuple[str, int]]]:
    """Return a function that checks the text of a program and returns the rule and line of each finding."""
    return lambda program: [(finding.code, finding.line) for finding in findings(program)]


# The first lines of each program of the fixture `outcome`.
SETUP = """\
import asyncio, sys, typing
from sys import version_info, platform
from typing import TYPE_CHECKING
from settings import maybe
Policy = getattr(asyncio, "WindowsProactorEventLoopPolicy", None)  # ctxpolicy: ignore[CTX102]
OLD = sys.version_info < (3, 14)
NEW = not OLD
OLDER = OLD and platform
UNCLEAR = sys.version_info < (3, 14)
UNCLEAR = True
ROUND = ROUND or OLD
"""


@pytest.fixture
def outcome(findings: Findings) -> Outcome:
    """Return a function that checks a program in which X stands for a name that warns since 3.14 and is gone in 3.16.

    The function returns the first Python version on which the program fails; ``None`` if the program only warns; and an
    empty string if nothing is found.
    """

    def run(program: str) -> str | None:
        found = findings(SETUP + program.replace("X", "asyncio.set_event_loop_policy"))
        assert len(found) <= 1
        if not found:
            return ""
        assert str(found[0].warns) == "3.14"
        return found[0].fails and str(found[0].fails)

    return run
