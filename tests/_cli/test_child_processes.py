"""What travels to new processes with their process object, and what it does where it arrives.

That it does so in real ones: ``test_run_program.py``.
"""

from __future__ import annotations

import pickle

from ctxpolicy import install
from ctxpolicy._cli.child_processes import _PolicyForChild
from tests.support.policies import default_policy, in_force

arrived: list[str] = []


def sent(policy: _PolicyForChild) -> _PolicyForChild:
    found = pickle.loads(pickle.dumps(policy))
    assert isinstance(found, _PolicyForChild)
    return found


def test_it_installs_where_no_policy_was_set_and_travels_on():
    arrived.clear()
    with in_force(default_policy()):
        sent(sent(_PolicyForChild(note, ("child",))))
    assert arrived == ["child", "child"]


def test_it_installs_nothing_where_the_program_has_set_a_policy_and_travels_on():
    arrived.clear()
    with install("task"):
        policy = sent(_PolicyForChild(note, ("child",)))
    assert arrived == []
    with in_force(default_policy()):
        sent(policy)
    assert arrived == ["child"]


def note(process: str) -> None:
    arrived.append(process)
