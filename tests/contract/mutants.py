"""Resolvers that are broken on purpose, at least one for each law, and the laws whose tests catch them.

``python -m tests.contract.mutants`` prints the page of the docs (docs/reference/contract-mutants.md).
"""

from __future__ import annotations

import inspect
import sys
import unittest
from types import ModuleType

from hypothesis.errors import Flaky

from ctxpolicy.testing import LAWS, BrokenLawError, ResolverContract
from ctxpolicy.testing._errors import ALL_LAWS, label
from ctxpolicy.testing._laws.decorator import law_of, tests_of
from tests.contract import mutants_of_bindings, mutants_of_methods, mutants_of_owners, mutants_of_shared_contexts
from tests.contract.right import RIGHT, OfThreads

__all__ = ["CAUGHT", "MUTANTS", "RIGHT", "OfThreads", "caught_by", "mutant", "page"]


def _mutants(module: ModuleType) -> list[type[OfThreads]]:
    return [thing for thing in vars(module).values() if isinstance(thing, type) and hasattr(thing, "breaks")]


MUTANTS = tuple(
    sorted(
        (
            mutant
            for module in (mutants_of_methods, mutants_of_bindings, mutants_of_owners, mutants_of_shared_contexts)
            for mutant in _mutants(module)
            if mutant.breaks is not None
        ),
        key=lambda mutant: mutant.breaks or 0,
    )
)

# For each test of the contract, a resolver that breaks the law of the test, and that this very test catches.
CAUGHT = {
    "test_description_can_be_used": "IsMadeOnce",
    "test_methods_get_is_none_where_nothing_is_bound": "MakesALoopInGet",
    "test_methods_installed_and_uninstalled_change_no_binding": "UnbindsWhenUninstalled",
    "test_methods_new_makes_a_loop_and_binds_nothing": "NewBinds",
    "test_methods_set_closes_no_loop": "ClosesWhatItReplaces",
    "test_methods_setter_passes_other_objects_on": "BindsAnything",
    "test_methods_binding_changed_sees_every_change": "ReportsNoLeases",
    "test_methods_clear_leaves_no_loop": "IsNotCleared",
    "test_methods_a_scope_binds_its_loop_and_restores_the_previous_one": "DropsTheScope",
    "test_methods_describe_and_applies_work_in_every_context": "SaysNothing",
    "test_law_1_a_closed_loop_stays_bound": "HidesAClosedLoop",
    "test_law_1_every_way_of_setting_binds": "GetterRemembers",
    "test_law_1_loops_are_told_apart_by_identity": "ComparesByEquality",
    "test_law_1_get_returns_the_loop_that_was_set_last": "Forgets",
    "test_law_2_contexts_that_exist_do_not_change_each_other": "SharesBetweenContexts",
    "test_law_2_parent_and_child_do_not_change_each_other": "InheritsTheBox",
    "test_law_3_a_child_that_inherits_inherits_the_lease_too": "InheritsWithoutTheLease",
    "test_law_3_a_context_made_in_an_unbound_one_starts_empty": "InheritsWhatWasUnset",
    "test_law_3_a_new_context_starts_as_described": "InheritsUnsaid",
    "test_law_3_a_new_thread_starts_as_described": "SaysThatThreadsInherit",
    "test_law_4_a_copied_contextvars_context_hands_no_loop_to_another_thread": "LeaksAcrossThreads",
    "test_law_4_a_forked_child_is_not_handed_the_loop": "SurvivesAFork",
    "test_law_4_an_object_with_a_reused_id_is_not_mistaken_for_the_earlier_one": "KeepsOwnersByIdOfLoop",
    "test_law_4_another_thread_is_not_handed_the_loop": "LeaksAcrossThreads",
    "test_law_5_a_lease_is_bound_again_after_another_loop_was_set": "EndsTheLease",
    "test_law_5_after_asyncio_run_the_lease_is_bound_again": "UnbindsTheLease",
    "test_law_5_set_none_removes_what_was_set": "ForgetsToUnbind",
    "test_law_6_a_context_is_let_go_when_it_ends": "KeepsEveryTenant",
    "test_law_6_a_contextvars_context_does_not_grow": "MakesAVariablePerSet",
    "test_law_6_a_leased_loop_is_closed_when_its_context_is_gone": "KeepsEveryLease",
    "test_law_6_a_loop_goes_with_its_context": "KeysByThreadIdent",
    "test_law_6_a_loop_that_refers_to_its_context_goes_with_it": "PinsItsKeys",
    "test_law_6_a_loop_that_was_unset_or_replaced_is_let_go": "KeepsEveryLoop",
    "test_law_6_a_resolver_is_let_go": "RegistersItself",
    "test_law_7_all_laws_hold_with_thread_inherit_context": "LeaksIntoNewThreads",
    "test_law_7_many_threads_at_once_keep_their_loops_apart": "Races",
    "test_law_8_a_lease_of_another_thread_closes_no_loop": "ForgetsOtherThreads",
    "test_law_8_isolated_calls_at_once_leave_what_was_bound": "SaysThatItIsExclusive",
    "test_law_8_threads_that_lease_at_once_get_open_loops": "LeasesOnePerThread",
    "test_law_8_what_another_thread_sets_leaves_the_loop_of_this_one_bound": "HasOneBindingForAllThreads",
    "test_model_random_steps_do_what_a_plain_model_does": "Forgets",
}


def mutant(name: str) -> type[OfThreads]:
    """Return a mutant by its name."""
    (found,) = [each for each in MUTANTS if each.__name__ == name]
    return found


def caught_by(contract: type[OfThreads]) -> set[int]:
    """Return the laws whose tests fail for ``contract``."""
    laws: set[int] = set()
    rerun: list[tuple[int, int]] = []
    for test in tests_of(contract).values():
        try:
            test(contract())
        except unittest.SkipTest:
            pass
        except BrokenLawError as error:
            rerun.append((error.law, law_of(test)))
        except Flaky:  # from the model: the failure depended on chance, such as an address that is used again
            laws.add(law_of(test))
    laws |= {broken for broken, tested in rerun if broken == tested}
    # Law 7 runs the tests of other laws once more. A failure counts for law 7 only if it occurs nowhere else, not even
    # by chance.
    elsewhere = {*laws, *contract.sometimes}
    return laws | {broken if broken in elsewhere else tested for broken, tested in rerun}


def page() -> str:
    """Return the page of the docs: the tests of each law, and the mutants that they catch."""
    return "\n".join([_HEAD, *_laws(), _TABLE, *_table()]) + "\n"


def _laws() -> list[str]:
    lines = []
    for law in range(ALL_LAWS + 1):
        tests = {name: test for name, test in tests_of(ResolverContract).items() if law_of(test) == law}
        title = label(law).partition(" (")[0]
        lines += [f"\n## {title[0].upper()}{title[1:]}", "", f"{LAWS[law][0].upper()}{LAWS[law][1:]}."]
        lines += ["", "| test | what it checks | catches, for example |", "|---|---|---|"]
        for name in sorted(tests, key=list(CAUGHT).index):
            text = " ".join((inspect.getdoc(tests[name]) or "").split())
            lines.append(f"| `{name}` | {text} | `{CAUGHT[name]}` |")
        if law != ALL_LAWS:
            example = [each for name, each in CAUGHT.items() if name in tests and _has_source(mutant(each))][-1]
            lines += ["", f"An example of how it is broken, `{example}`:", *_source(mutant(example))]
    return lines


def _has_source(example: type[OfThreads]) -> bool:
    """Return whether the resolver itself is broken, and not only its description."""
    return example.Resolver.__qualname__ == f"{example.__name__}.Resolver"


def _source(example: type[OfThreads]) -> list[str]:
    file = f"../../{example.__module__.replace('.', '/')}.py"
    return ["", f"```{{literalinclude}} {file}", ":language: python", f":pyobject: {example.__name__}.Resolver", "```"]


def _table() -> list[str]:
    laws = range(ALL_LAWS + 1)
    heads = ["methods", *map(str, laws[1:-1]), "model"]
    lines = [
        "| broken resolver | what is wrong with it | " + " | ".join(heads) + " |",
        "|---|---|" + ":-:|" * len(heads),
    ]
    for each in MUTANTS:
        cells = " | ".join(_cell(each, law) for law in laws)
        lines.append(f"| `{each.__name__}` | {each.__doc__} | {cells} |")
    return lines


def _cell(mutant: type[OfThreads], law: int) -> str:
    if law == mutant.breaks:
        return "**X** (3.14)" if mutant.needs else "**X**"
    return "x" if law in mutant.also else "(x)" if law in mutant.sometimes else " "


_HEAD = """\
# The laws, their tests, and resolvers that break them

<!-- Made by `python -m tests.contract.mutants`; a test compares it with what the tests do. -->

The tests are those of `ctxpolicy.testing.ResolverContract`. For each test there is a resolver that is broken on purpose
and that this very test catches, which the tests of ctxpolicy check. The broken resolvers are in `tests/contract/`. They
derive from right ones (`Threads`, `ContextVars`, `Slots` and `Tenants`), which no test catches."""

_TABLE = """
## Which law's tests catch which broken resolver

Each row is a broken resolver; each column has the tests of one law. **X**: the resolver breaks this law, whose tests
catch it every time (3.14: from that Python on, which has the interpreter option that the test needs). x: the tests of
this law catch it too, every time. (x): they catch it on some Pythons, or by chance.
"""


if __name__ == "__main__":
    sys.stdout.write(page())
