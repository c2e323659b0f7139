"""The object that is pickled with a process object, and that installs the policy when it is unpickled.

``test_program.py`` tests it with real processes.
"""

from __future__ import annotations

import pickle

from ctxpolicy import install
from ctxpolicy._cli.child_processes import _PolicyForChild
from tests.support.policies import default_policy, in_force

installed: list[str] = []


def unpickled(policy: _PolicyForChild) -> _PolicyForChild:
    found = pickle.loads(pickle.dumps(policy))
    assert isinstance(found, _PolicyForChild)
    return found


def test_it_installs_the_policy_if_none_was_set_and_can_be_pickled_again():
    installed.clear()
    with in_force(default_policy()):
        unpickled(unpickled(_PolicyForChild(record, ("child",))))
    assert installed == ["child", "child"]


def test_it_installs_nothing_if_the_program_has_set_a_policy_and_can_be_pickled_again():
    installed.clear()
    with install("task"):
        policy = unpickled(_PolicyForChild(record, ("child",)))
    assert installed == []
    with in_force(default_policy()):
        unpickled(policy)
    assert installed == ["child"]


def record(process: str) -> None:
    installed.append(process)
