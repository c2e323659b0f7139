"""The tests of each law catch the resolvers that break it, and no resolver that keeps the contract."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis.errors import Flaky

from ctxpolicy.testing import LAWS, THREADS_INHERIT_CONTEXT, BrokenLawError, ResolverContract
from ctxpolicy.testing._laws import decorator as _law
from tests.contract.mutants import CAUGHT, MUTANTS, RIGHT, OfThreads, caught_by, mutant, page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "contract-mutants.md"


@pytest.fixture(autouse=True)
def no_shrinking() -> Iterator[None]:
    """Do not shrink the failing steps of a mutant: nobody reads them."""
    before = settings()
    settings.register_profile("mutants", before, phases=[Phase.generate], database=None)
    settings.load_profile("mutants")
    yield
    settings.register_profile("before the mutants", before)
    settings.load_profile("before the mutants")


def skip_if_it_cannot_be_broken(mutant: type[OfThreads]) -> None:
    if mutant.needs and not hasattr(sys.flags, mutant.needs):
        pytest.skip(f"only -X {mutant.needs} shows the defect, and this Python does not have this option")
    if mutant.needs and THREADS_INHERIT_CONTEXT:
        pytest.skip(f"{mutant.needs} is the default of this free-threaded Python: tests of another law catch it")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_law_that_a_mutant_breaks_catches_it(mutant: type[OfThreads]) -> None:
    skip_if_it_cannot_be_broken(mutant)
    caught, always = caught_by(mutant), {mutant.breaks, *mutant.also}
    assert always <= caught <= {*always, *mutant.sometimes}


@pytest.mark.parametrize("contract", RIGHT, ids=lambda contract: contract.__name__)
def test_no_law_catches_a_right_resolver(contract: type[OfThreads]) -> None:
    assert caught_by(contract) == set()


def test_every_law_is_broken_by_some_mutant() -> None:
    assert {mutant.breaks for mutant in MUTANTS} == set(range(len(LAWS) - 1))


def test_each_test_of_the_contract_has_a_resolver_to_catch() -> None:
    assert CAUGHT.keys() == _law.tests_of(ResolverContract).keys()


@pytest.mark.parametrize("name", CAUGHT)
def test_each_test_of_the_contract_catches_a_resolver_that_breaks_its_law(name: str) -> None:
    broken = mutant(CAUGHT[name])
    skip_if_it_cannot_be_broken(broken)
    test = _law.tests_of(broken)[name]
    assert _law.law_of(test) in (broken.breaks, len(LAWS) - 1)
    with pytest.raises((BrokenLawError, Flaky)):
        test(broken())


def test_the_page_of_the_docs_is_up_to_date() -> None:
    assert PAGE.read_text() == page()
