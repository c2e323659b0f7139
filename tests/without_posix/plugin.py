"""Run the tests without names that only POSIX systems have: `python -m pytest -p tests.without_posix.plugin`.

Windows has none of these names. Everything else stays as it is on this machine, including `sys.platform`, and Pythons
that a test starts have all names. The run shows that ctxpolicy uses a POSIX name only if it exists.

One rule applies to a test that needs a removed name. If ctxpolicy uses the name, the test fails. If the test itself or
another package uses it, the test is skipped, and the report shows the name. The same rule applies to a module that
cannot be imported.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from .removal import RemovedMethodError, RemovedNameError, remove

with contextlib.suppress(ImportError):
    import psutil  # noqa: F401 - pytest-xdist counts processors with it, and it needs AF_UNIX when it is imported

remove()  # pytest imports this module before the plugins of other packages

_STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))
_PACKAGE = Path(__file__).parents[2] / "ctxpolicy"
_skipped = pytest.StashKey[bool]()


def pytest_report_header() -> str:
    """Show the removed names in the header, because they change what the tests prove."""
    return "without: os.fork, Unix signals, Unix sockets, child watchers, uvloop"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Turn the failure of a test that needs a removed name into a skip, and ignore its later failures."""
    report = yield
    if report.failed and item.stash.get(_skipped, False):
        report.outcome = "passed"
    elif report.failed and call.excinfo is not None and (needed := _needed_outside(call.excinfo.value)) is not None:
        _skip(report, item.path, item.location[1] or 0, needed)
        item.stash[_skipped] = True
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Skip a module that cannot be imported without a removed name."""
    report = yield
    excinfo = getattr(report, "call", None) and report.call.excinfo
    if report.failed and excinfo is not None and (needed := _needed_outside(excinfo.value)) is not None:
        _skip(report, collector.path, 0, needed)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Collect the garbage of a test that was skipped halfway. Otherwise its warnings fail the next test."""
    try:
        return (yield)
    finally:
        if item.stash.get(_skipped, False):
            sys.last_value = sys.last_traceback = None  # pytest keeps the exception here
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                gc.collect()


def _skip(report: pytest.TestReport | pytest.CollectReport, path: Path, line: int, needed: BaseException) -> None:
    report.outcome = "skipped"
    report.longrepr = (str(path), line, f"Skipped: {needed}")


def _needed_outside(error: BaseException | None) -> BaseException | None:
    """Return the use of a removed name that led to ``error``, unless the use is in ctxpolicy."""
    while error is not None:
        if isinstance(error, RemovedNameError | RemovedMethodError):
            return None if _PACKAGE in _user(error).parents else error
        error = error.__cause__ or error.__context__
    return None


def _user(error: BaseException) -> Path:
    """Return the file that uses the removed name: the innermost one outside the standard library."""
    files, traceback = [], error.__traceback__
    while traceback is not None:
        files.append(Path(traceback.tb_frame.f_code.co_filename))
        traceback = traceback.tb_next
    ours = Path(__file__).parent
    return next(
        file for file in reversed(files) if file.parent != ours and not _is_standard_library(file)
    )  # a file of pytest, if no other


def _is_standard_library(file: Path) -> bool:
    return _STANDARD_LIBRARY in file.parents and "site-packages" not in file.parts
