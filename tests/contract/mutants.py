"""Resolvers that are broken on purpose, at least one a law, and which law's tests catch which of them.

``python -m tests.contract.mutants`` prints the table (docs/reference/contract-mutants.md).
"""

from __future__ import annotations

import sys
import unittest
from types import ModuleType

from hypothesis.errors import Flaky

from ctxpolicy.testing import BrokenLawError, ResolverContract
from ctxpolicy.testing._errors import ALL_LAWS
from ctxpolicy.testing._law import law_of, tests_of
from tests.contract import mutants_of_bindings, mutants_of_owners
from tests.contract.right import OfContextVars, OfSlots, OfTasks, OfThreads

RIGHT = (OfThreads, OfContextVars, OfSlots, OfTasks)


def _mutants(module: ModuleType) -> list[type[OfThreads]]:
    return [thing for thing in vars(module).values() if isinstance(thing, type) and hasattr(thing, "breaks")]


MUTANTS = tuple(
    sorted(
        (
            mutant
            for module in (mutants_of_bindings, mutants_of_owners)
            for mutant in _mutants(module)
            if mutant.breaks is not None
        ),
        key=lambda mutant: mutant.breaks or 0,
    )
)


def caught_by(contract: type[ResolverContract]) -> set[int]:
    """Return the laws whose tests fail for ``contract``."""
    laws = set()
    for test in tests_of(contract).values():
        try:
            test(contract())
        except unittest.SkipTest:
            pass
        except BrokenLawError as error:
            laws.add(error.law)
        except Flaky:  # the model's: chance (an address used again) had a hand in what failed
            laws.add(law_of(test))
    return laws


def table() -> str:
    """Return which law's tests catch which mutant, as a page of the docs."""
    laws = range(ALL_LAWS + 1)
    heads = ["methods", *map(str, laws[1:-1]), "model"]
    lines = [
        "| broken resolver | what is wrong with it | " + " | ".join(heads) + " |",
        "|---|---|" + ":-:|" * len(heads),
    ]
    for mutant in MUTANTS:
        cells = " | ".join(_cell(mutant, law) for law in laws)
        lines.append(f"| `{mutant.__name__}` | {mutant.__doc__} | {cells} |")
    return _PAGE + "\n".join(lines) + "\n"


def _cell(mutant: type[OfThreads], law: int) -> str:
    if law == mutant.breaks:
        return "**X**"
    return "x" if law in mutant.also else "(x)" if law in mutant.sometimes else " "


_PAGE = """\
---
orphan: true
---

# Broken resolvers, and which law's tests catch them

<!-- Made by `python -m tests.contract.mutants`; a test compares it with what the tests do. -->

Each row is a resolver that is broken on purpose; the columns are the tests of `ctxpolicy.testing.ResolverContract`, law
by law. **X**: the law that the resolver breaks, and whose tests catch it every time. x: the tests of another law catch
it too, as what is broken shows there as well. (x): they do so on some Pythons, or at some turns of chance.

"""


if __name__ == "__main__":
    sys.stdout.write(table())
