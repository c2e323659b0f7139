"""A child of a context starts with the loop that the documentation promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.resolvers.inheritance import EXPECTED, WAYS, expected, found, page
from tests.support.resolver_cases import CASES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def found_elsewhere() -> dict[str, dict[str, str]]:
    """Return the results of new processes: a child that is forked in a process with threads could hang."""
    runs: dict[tuple[str, ...], list[str]] = {}
    for name, way in WAYS.items():
        if way.elsewhere is not None and not way.missing:
            runs.setdefault(way.elsewhere, []).append(name)
    answers = {}
    for options, ways in runs.items():
        command = [sys.executable, *options, "-m", "tests.resolvers.inheritance", *ways]
        answers.update(json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout))
    return answers


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", EXPECTED)
def test_a_child_starts_as_the_table_says(case: str, way: str, request: pytest.FixtureRequest) -> None:
    missing = CASES[case].missing or WAYS[way].missing
    if missing:
        pytest.skip(missing)
    if WAYS[way].elsewhere is None:
        result = found(CASES[case], way)
    else:
        result = request.getfixturevalue("found_elsewhere")[way][case]
    assert result == expected(case, way)


def test_the_table_has_every_built_in_resolver() -> None:
    assert list(EXPECTED) == list(CASES)


def test_the_table_of_the_docs_is_up_to_date() -> None:
    assert (ROOT / "docs" / "reference" / "inheritance.md").read_text() == page()
