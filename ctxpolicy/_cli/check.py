"""The subcommand ``check``: its arguments, output and exit status."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

from ctxpolicy._check.catalog import RULES
from ctxpolicy._check.check import check_paths
from ctxpolicy._check.report import CERTAINTIES, DEFAULT_TARGET, Finding, Problem, Report, Version

if TYPE_CHECKING:
    from collections.abc import Iterator

_DESCRIPTION = """\
Find uses of asyncio that newer Python versions change or break: event loop policies, child watchers, get_event_loop()
where no loop runs, loop= arguments. Source files are only read, never imported. The exit status is 1 if a finding
fails on the target Python, 2 for bad arguments, else 0."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``check`` to a parser."""
    parser.description = _DESCRIPTION
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a Python source file, or a folder of them")
    parser.add_argument(
        "--target",
        type=_version,
        default=DEFAULT_TARGET,
        metavar="3.N",
        help="the Python version that the code must run on (default: 3.16)",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object instead of text")
    parser.add_argument("--select", type=_rule_codes, metavar="CODES", help="only these rules, such as CTX101,CTX102")
    parser.add_argument("--ignore", type=_rule_codes, default=(), metavar="CODES", help="all rules except these")
    parser.add_argument(
        "--certainty", choices=CERTAINTIES, default=CERTAINTIES[-1], help="only findings of at least this certainty"
    )


def main(namespace: argparse.Namespace) -> int:
    """Check the given paths and write the report.

    Args:
        namespace: The parsed arguments of a parser with :func:`add_arguments`.

    Returns:
        The exit status.
    """
    missing = [path for path in namespace.paths if not os.path.lexists(path)]
    if missing:
        _write(sys.stderr, f"error: no such file or folder: {', '.join(missing)}\n")
        return 2
    report = check_paths(namespace.paths, target=namespace.target)
    report = report.filtered(select=namespace.select, ignore=namespace.ignore, certainty=namespace.certainty)
    if namespace.json:
        _write(sys.stdout, json.dumps(_as_json(report), indent=2) + "\n")
    else:
        _write(sys.stderr, "".join(f"{_problem_line(problem)}\n" for problem in report.problems))
        _write(sys.stdout, "".join(f"{line}\n" for line in _lines(report)))
    return 1 if report.failing else 0


def _version(text: str) -> Version:
    try:
        return Version.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _rule_codes(text: str) -> frozenset[str]:
    codes = frozenset(code.strip() for code in text.split(","))
    unknown = sorted(codes - RULES.keys())
    if unknown:
        raise argparse.ArgumentTypeError(f"no such rule: {', '.join(unknown)} (the rules are {', '.join(RULES)})")
    return codes


def _lines(report: Report) -> Iterator[str]:
    for finding in report.findings:
        yield f"{finding.file}:{finding.line}:{finding.column}: {finding.code} {finding.message}"
        yield f"    {finding.certainty}; {_since(finding)}; instead: {finding.replacement}"
    summary = (
        f"{_count(len(report.findings), 'finding')} in {_count(report.files, 'file')}, "
        f"{len(report.failing)} failing on Python {report.target}"
    )
    yield f"{summary}; {len(report.problems)} not checked" if report.problems else summary


def _since(finding: Finding) -> str:
    versions = [("warns", finding.warns), ("fails", finding.fails)]
    parts = [f"{verb} since Python {version}" for verb, version in versions if version is not None]
    return ", ".join(parts) or "no Python warns or fails"


def _problem_line(problem: Problem) -> str:
    place = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
    return f"{place}: not checked: {problem.message}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _as_json(report: Report) -> dict[str, object]:
    return {
        "target": str(report.target),
        "files": report.files,
        "findings": [_finding_as_json(finding, report.target) for finding in report.findings],
        "problems": [asdict(problem) for problem in report.problems],
    }


def _finding_as_json(finding: Finding, target: Version) -> dict[str, object]:
    versions = {name: getattr(finding, name) for name in ("warns", "fails")}
    texts = {name: None if version is None else str(version) for name, version in versions.items()}
    return {**asdict(finding), **texts, "fails_on_target": finding.fails_on(target)}


def _write(stream: TextIO, text: str) -> None:
    """Write ``text``, even if the stream cannot encode it, as with an undecodable file name."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
