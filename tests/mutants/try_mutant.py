"""Run the tests that run the changed line of a mutated module: `try_mutant.py MODULE`, in the mutated copy.

The exit status is pytest's: 0 if no test notices the change. A test that hangs is ended after some seconds, and counts
as one that notices. Tests of the module's own test file run first, and those of its folder next. A mutant that survives
them is also tried with all tests of the folder.
"""

from __future__ import annotations

import subprocess
import sys
from difflib import SequenceMatcher
from itertools import groupby
from pathlib import Path

import pytest
from coverage import CoverageData

ORIGINALS = "originals"  # the folder of the unchanged modules
TRACE = "trace.coverage"  # which tests run which line of the unchanged modules
TEST_SECONDS = 15  # for one test
MOST_TESTS = 600  # chosen for one mutant: the tests of its module and its folder come first
OPTIONS = ["-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-n", "0"]
# A mutant may also prevent the end of the process. This method ends it in any case.
OPTIONS += [f"--timeout={TEST_SECONDS}", "--timeout-method=thread"]


def main(module: str) -> int:
    """Run the tests, and return pytest's exit status."""
    if Path(module).read_bytes() == Path(ORIGINALS, module).read_bytes():
        print(f"{module} is not changed")
        return 0
    folder = Path("tests", *Path(module).parts[1:-1])
    own = folder / f"test_{Path(module).name}"

    def rank(test: str) -> tuple[bool, bool]:
        return file_of(test) != own, file_of(test).parent != folder

    chosen = sorted(tests_of(module), key=lambda test: (*rank(test), test))
    # Most mutants are killed by the first group. The files of the others then need not be imported.
    for _, group in groupby(chosen[:MOST_TESTS], key=rank):
        if (status := run(list(group))) not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return status
    # The trace does not see lines that run in other processes, such as forked children.
    return subprocess.call([sys.executable, "-m", "pytest", *OPTIONS, folder])


def run(tests: list[str]) -> int:
    """Run some tests, given by their node ids, in that order."""
    return pytest.main([*OPTIONS, *dict.fromkeys(str(file_of(test)) for test in tests)], plugins=[Only(tests)])


def tests_of(module: str) -> set[str]:
    """Return the tests that run the changed line, or any line of the module if the changed line also runs at import."""
    data = CoverageData(TRACE)
    data.read()
    (path,) = (path for path in data.measured_files() if path.endswith(module))
    recorded = data.contexts_by_lineno(path).items()
    by_line = {line: {test.partition("|")[0] for test in tests} for line, tests in recorded}
    line = changed_line(Path(ORIGINALS, module), Path(module))
    while line not in by_line and line > 0:  # a statement of several lines is recorded at its first one
        line -= 1
    at_import = ""
    tests = by_line.get(line, {at_import})
    return (set().union(*by_line.values()) if at_import in tests else tests) - {at_import}


def changed_line(original: Path, mutated: Path) -> int:
    """Return the number of the first line of the original that the mutant has not."""
    old, new = (path.read_text(encoding="utf-8").splitlines() for path in (original, mutated))
    changes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return next(start for tag, start, *_ in changes if tag != "equal") + 1


def file_of(test: str) -> Path:
    """Return the file of a test, given its node id."""
    return Path(test.partition("::")[0])


class Only:
    """A plugin of pytest that runs some tests, in the order in which they are given."""

    def __init__(self, tests: list[str]) -> None:
        self._rank = {test: rank for rank, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Drop all other tests."""
        items[:] = sorted(
            (item for item in items if item.nodeid in self._rank), key=lambda item: self._rank[item.nodeid]
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
