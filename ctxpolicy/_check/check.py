"""Check every Python file under the given paths against every rule."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ctxpolicy._check.checked_module import CheckedModule
from ctxpolicy._check.files import python_files
from ctxpolicy._check.report import DEFAULT_TARGET, Finding, Problem, Report, Version
from ctxpolicy._check.rules import current_loop, loop_argument, removed_names
from ctxpolicy._check.source import Source, UnreadableError, read_source

if TYPE_CHECKING:
    from collections.abc import Iterable

_RULES = (removed_names.find, current_loop.find, loop_argument.find)


def check_paths(paths: Iterable[str | os.PathLike[str]], *, target: str | Version = DEFAULT_TARGET) -> Report:
    """Read Python source files and find the uses of asyncio that newer Python versions change or break.

    The checked code is neither imported nor run.

    Args:
        paths: Files and folders.
        target: The Python version that the code must run on. The report's ``failing`` lists the findings that fail on
            this version.

    Returns:
        The findings, and a problem for each file that could not be checked. A problem does not end the check.

    Raises:
        ValueError: If the target is not a version of the form ``3.N``.
    """
    target = Version.parse(target) if isinstance(target, str) else target
    results = [_check_file(file) for file in python_files(os.fspath(path) for path in paths)]
    checked = [result for result in results if not isinstance(result, Problem)]
    problems = [result for result in results if isinstance(result, Problem)]
    return Report(target, len(checked), [finding for findings in checked for finding in findings], problems)


def _check_file(file: str | Problem) -> list[Finding] | Problem:
    if isinstance(file, Problem):
        return file
    try:
        return _check_source(read_source(file))
    except UnreadableError as error:
        return error.problem
    except Exception as error:  # noqa: BLE001  # a bug in the check must not keep the other files from being checked
        return Problem(file, f"cannot be checked because of a bug in ctxpolicy: {error!r}")


def _check_source(source: Source) -> list[Finding]:
    if "asyncio" not in source.text:
        return []
    try:
        module = CheckedModule(source)
        found = [finding for rule in _RULES for finding in rule(module) if finding is not None]
    except RecursionError:
        raise UnreadableError(Problem(source.file, "is nested too deeply to be checked")) from None
    kept = (finding for finding in found if not source.ignores(finding.line, finding.code))
    return sorted(kept, key=lambda finding: (finding.line, finding.column, finding.code))
