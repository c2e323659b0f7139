"""A hundred and more forks in different states: the child can run loops, and the parent is not disturbed."""

from __future__ import annotations

import os

import pytest

from tests.stress.counting import FORKS
from tests.stress.forking import ENDS, STATES
from tests.support.programs import output_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")

EACH = -(-FORKS // (len(STATES) * len(ENDS)))


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("state", STATES)
def test_the_child_runs_loops_at_once_and_the_parent_is_woken_after_each(state: str, end: str):
    assert output_of("-m", "tests.stress.forking", state, end, str(EACH)) == f"{EACH} forks\n"
