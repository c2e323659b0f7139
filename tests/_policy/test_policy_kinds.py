"""A ContextPolicy over uvloop's or tornado's policy makes loops of the kind that the policy underneath makes."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import ContextPolicy, install, using
from ctxpolicy._asyncio.host import host
from tests.support.policies import (
    collect_garbage,
    default_policy,
    in_force,
    in_thread,
    set_policy,
    tornado_policy,
    uvloop_policy,
)


@pytest.fixture(params=[uvloop_policy, tornado_policy])
def previous(request: pytest.FixtureRequest):
    """Put uvloop's and tornado's policy in force, in turn."""
    policy = request.param()
    with in_force(policy):
        yield policy


def kind_made_by(make: Any) -> type:
    loop = make()
    loop.close()
    return type(loop)


def kinds() -> set[type]:
    """Return the classes of the loops that asyncio makes now, by each of its functions."""

    async def main() -> type:
        return type(asyncio.get_running_loop())

    run = {asyncio.run(main()), ctxpolicy.run(main()), in_thread(asyncio.run, main())}
    return {kind_made_by(asyncio.new_event_loop), *run}


def test_installed_over_it(previous):
    kind = kind_made_by(previous.new_event_loop)
    with install("contextvar"):
        assert kinds() == {kind}
        with install("task"):
            assert kinds() == {kind}
    assert host.in_force() is previous


def test_set_over_it_with_asyncios_function_and_back_to_none(previous):
    kind = kind_made_by(previous.new_event_loop)
    set_policy(ContextPolicy("contextvar"))
    assert kinds() == {kind}
    set_policy(None)
    assert kinds() == {kind_made_by(default_policy().new_event_loop)}


def test_in_a_using_block_over_it(previous):
    kind = kind_made_by(previous.new_event_loop)
    with using("task"):
        assert kinds() == {kind}
    assert host.in_force() is previous


def test_leased_loops_are_of_that_kind_too(previous):
    kind = kind_made_by(previous.new_event_loop)
    with install("thread", missing="create"):
        assert type(in_thread(asyncio.get_event_loop)) is kind
    collect_garbage()


def test_the_policys_own_factory_takes_precedence(previous):
    with install("thread", loop_factory="selector"):
        assert kinds() == {asyncio.SelectorEventLoop}


def test_asyncios_kind_can_be_chosen_by_name(previous):
    with install("thread", loop_factory="asyncio"):
        assert kinds() == {kind_made_by(default_policy().new_event_loop)}


def test_a_policy_made_earlier_makes_loops_of_that_kind_when_it_is_installed():
    policy = ContextPolicy("thread")
    native = kind_made_by(policy.new_event_loop)
    with in_force(uvloop_policy()) as previous, install(policy):
        assert kinds() == {kind_made_by(previous.new_event_loop)}
        assert native not in kinds()


def test_a_loop_bound_under_the_previous_policy_is_current_again_afterwards(previous):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with install("thread", missing="error"), pytest.raises(RuntimeError):
        asyncio.get_event_loop()
    assert asyncio.get_event_loop() is loop
    with using("contextvar"):
        asyncio.set_event_loop(None)
    assert asyncio.get_event_loop() is loop
    asyncio.set_event_loop(None)
    loop.close()


def test_outside_a_using_block_the_previous_policy_handles_a_missing_loop():
    """Tornado's policy creates a loop in any thread."""
    loops: list[asyncio.AbstractEventLoop] = []

    def job() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            loops.append(asyncio.get_event_loop())
            loops.append(asyncio.get_event_loop())

    with in_force(tornado_policy()), using("task"):
        in_thread(job)
    assert loops[0] is loops[1]
    loops[0].close()
