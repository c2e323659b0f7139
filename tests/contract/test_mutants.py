"""The contract has teeth: each law's tests catch what breaks it, and nothing that is right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from ctxpolicy.testing import LAWS
from tests.contract.mutants import MUTANTS, RIGHT, OfThreads, caught_by, table

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "contract-mutants.md"


@pytest.fixture(autouse=True)
def no_shrinking() -> Iterator[None]:
    """A mutant's failing steps need not be made shorter."""
    before = settings()
    settings.register_profile("mutants", before, phases=[Phase.generate], database=None)
    settings.load_profile("mutants")
    yield
    settings.register_profile("before the mutants", before)
    settings.load_profile("before the mutants")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_law_that_a_mutant_breaks_catches_it(mutant: type[OfThreads]) -> None:
    caught, always = caught_by(mutant), {mutant.breaks, *mutant.also}
    assert always <= caught <= {*always, *mutant.sometimes}


@pytest.mark.parametrize("contract", RIGHT, ids=lambda contract: contract.__name__)
def test_no_law_catches_a_right_resolver(contract: type[OfThreads]) -> None:
    assert caught_by(contract) == set()


def test_every_law_is_broken_by_some_mutant() -> None:
    assert {mutant.breaks for mutant in MUTANTS} == set(range(len(LAWS) - 1))


def test_the_table_of_the_docs_is_up_to_date() -> None:
    assert PAGE.read_text() == table()
