"""The steps of the random scenarios, one by one: each step finds the defects that it tests for, and no others."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from ctxpolicy.testing import BrokenLawError
from ctxpolicy.testing._laws import random_model as _model
from tests.contract.mutants import mutant
from tests.contract.right import RIGHT


@contextmanager
def steps_of(contract):
    """Take steps as the state machine does, which checks all contexts after each step."""
    machine = _model.machine_of(contract())()

    def step(name, which=0):
        getattr(machine, name)(which=which)
        machine.each_context_has_its_loop()

    try:
        yield step
    finally:
        machine.teardown()


@pytest.mark.parametrize("contract", RIGHT, ids=lambda contract: contract.__name__)
def test_a_right_resolver_agrees_with_the_model_after_each_step(contract):
    with steps_of(contract) as step:
        step("end_context")  # the last context stays
        step("set_loop")
        step("visit_from_another_thread")
        step("make_context")
        step("set_loop", 1)
        step("make_context", 1)
        step("start_thread", 1)
        step("visit_from_another_thread", 1)
        step("end_context", 1)
        step("unset")
        step("lease")
        step("lease")  # the same lease again
        step("make_context")
        step("set_loop", 2)
        step("asyncio_run", 2)
        step("visit_from_another_thread")
        step("start_thread")


@pytest.mark.parametrize(
    ("name", "steps", "told"),
    [
        ("Forgets", ["set_loop"], "getter() says nothing bound"),
        ("ForgetsToUnbind", ["set_loop", "unset"], "and not None, which the model has for it"),
        ("SharesBetweenContexts", ["make_context", "set_loop"], "which the model has for it"),
        ("InheritsUnsaid", ["set_loop", "make_context"], "and not None, which the model has for it"),
        ("SaysThatThreadsInherit", ["set_loop", "start_thread"], "with which a thread starts there"),
        ("UnbindsTheLease", ["lease", "asyncio_run"], "which the model has for it"),
        ("EndsTheLease", ["lease", "set_loop", "unset"], "which the model has for it"),
        ("LeaksAcrossThreads", ["set_loop", "visit_from_another_thread"], "another thread in context A was handed"),
    ],
)
def test_the_step_that_meets_the_defect_reports_it(name, steps, told):
    *before, last = steps
    with steps_of(mutant(name)) as step:
        for each in before:
            step(each)
        with pytest.raises(BrokenLawError) as caught:
            step(last)
    assert told in str(caught.value)
