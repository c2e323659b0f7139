"""Run the tests that run the changed line of a mutated module: `try_mutant.py MODULE`, in the mutated copy.

The exit status is pytest's: 0 if no test notices the change. A test that hangs is ended after some seconds, and counts
as one that notices. Tests of the module's own test file run first.
"""

from __future__ import annotations

import sys
from difflib import SequenceMatcher
from pathlib import Path

import pytest
from coverage import CoverageData

ORIGINALS = "originals"  # the folder of the unchanged modules
TRACE = "trace.coverage"  # which tests run which line of the unchanged modules
TEST_SECONDS = 20  # for one test


def main(module: str) -> int:
    """Run the tests, and return pytest's exit status."""
    if Path(module).read_bytes() == Path(ORIGINALS, module).read_bytes():
        print(f"{module} is not changed")
        return 0
    chosen = sorted(tests_of(module), key=lambda test: (not is_own(test, module), test))
    if not chosen:
        print(f"no traced test runs the changed line of {module}")
        return 0
    files = list(dict.fromkeys(test.partition("::")[0] for test in chosen))
    options = ["-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-n", "0", f"--timeout={TEST_SECONDS}"]
    status = pytest.main([*options, *files], plugins=[Only(chosen)])
    return 0 if status == pytest.ExitCode.NO_TESTS_COLLECTED else status  # else it would count as killed


def tests_of(module: str) -> set[str]:
    """Return the tests that run the changed line; if it runs at import, those that run any line of the module."""
    data = CoverageData(TRACE)
    data.read()
    (path,) = (path for path in data.measured_files() if path.endswith(module))
    recorded = data.contexts_by_lineno(path)
    by_line = {line: {test.partition("|")[0] for test in tests if test} for line, tests in recorded.items()}
    line = changed_line(Path(ORIGINALS, module), Path(module))
    while line not in by_line and line > 0:  # a statement of several lines is recorded at its first one
        line -= 1
    return by_line.get(line) or set().union(*by_line.values())


def changed_line(original: Path, mutated: Path) -> int:
    """Return the number of the first line of the original that the mutant has not."""
    old, new = (path.read_text(encoding="utf-8").splitlines() for path in (original, mutated))
    changes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return next(start for tag, start, *_ in changes if tag != "equal") + 1


def is_own(test: str, module: str) -> bool:
    """Return whether a test stands in the test file of the module."""
    return Path(test.partition("::")[0]) == Path("tests", *Path(module).parts[1:-1], f"test_{Path(module).name}")


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
