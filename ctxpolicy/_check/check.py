"""The check itself: every file under the paths given, every rule."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ctxpolicy._check.checked_module import Reading
from ctxpolicy._check.files import python_files
from ctxpolicy._check.report import DEFAULT_TARGET, Finding, Problem, Report, Version
from ctxpolicy._check.rules import current_loop as loops
from ctxpolicy._check.rules import loop_argument as arguments
from ctxpolicy._check.rules import removed_names
from ctxpolicy._check.source import Source, UnreadableError, read

if TYPE_CHECKING:
    from collections.abc import Iterable

_RULES = (removed_names.find, loops.find, arguments.find)


def check_paths(paths: Iterable[str | os.PathLike[str]], *, target: str | Version = DEFAULT_TARGET) -> Report:
    """Read Python sources and find what newer Pythons change or break in their use of asyncio.

    Nothing of the checked code is imported or run.

    Args:
        paths: Files and folders.
        target: The Python that the code is to run on: what fails there is in the report's ``failing``.

    Returns:
        The findings, and the problems: what could not be read does not end the check.

    Raises:
        ValueError: If the target is not a version of the form ``3.N``.
    """
    target = Version.parse(target) if isinstance(target, str) else target
    outcomes = [_outcome(file) for file in python_files(os.fspath(path) for path in paths)]
    checked = [outcome for outcome in outcomes if not isinstance(outcome, Problem)]
    problems = [outcome for outcome in outcomes if isinstance(outcome, Problem)]
    return Report(target, len(checked), [finding for findings in checked for finding in findings], problems)


def _outcome(file: str | Problem) -> list[Finding] | Problem:
    if isinstance(file, Problem):
        return file
    try:
        return _check(read(file))
    except UnreadableError as error:
        return error.problem
    except Exception as error:  # a defect here: the other files are still to be checked  # noqa: BLE001
        return Problem(file, f"cannot be checked, by a defect of ctxpolicy: {error!r}")


def _check(source: Source) -> list[Finding]:
    if "asyncio" not in source.text:
        return []
    try:
        reading = Reading(source)
        found = [finding for rule in _RULES for finding in rule(reading) if finding is not None]
    except RecursionError:
        raise UnreadableError(Problem(source.file, "is nested too deeply to be checked")) from None
    kept = (finding for finding in found if not source.ignores(finding.line, finding.code))
    return sorted(kept, key=lambda finding: (finding.line, finding.column, finding.code))
