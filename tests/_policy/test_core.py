"""A policy is freed by reference counting, and with it the objects that only the policy holds."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref

import pytest

import ctxpolicy
from ctxpolicy import ContextPolicy, ThreadResolver
from ctxpolicy._asyncio.capabilities import HAS_CHILD_WATCHERS, platform_loop
from tests.support.programs import run_program


@pytest.fixture
def no_collection():
    gc.disable()
    yield
    gc.enable()


at_once = pytest.mark.skipif(sys.implementation.name == "pypy", reason="nothing is freed at once on PyPy")


@at_once
@pytest.mark.parametrize("scoped", [False, True])
@pytest.mark.parametrize("kind", [ContextPolicy, type("Own", (ContextPolicy,), {})])
def test_a_policy_is_freed_at_once_and_the_leases_that_only_its_resolver_holds_end(kind, scoped, no_collection):
    policy = kind(ThreadResolver(), missing="create")
    if scoped:
        policy.enable_overrides()
    loop, freed = policy.get_event_loop(), weakref.ref(policy)
    policy.set_event_loop(None)
    del policy
    assert freed() is None
    assert loop.is_closed()


@at_once
def test_a_policy_that_was_installed_is_freed_at_once(no_collection):
    installation = ctxpolicy.install("thread", missing="create")
    loop, freed = asyncio.get_event_loop(), weakref.ref(installation.policy)
    installation.uninstall()
    del installation
    assert freed() is None
    assert loop.is_closed()


@at_once
@pytest.mark.skipif(not HAS_CHILD_WATCHERS, reason="asyncio of this Python has no child watchers")
def test_a_policy_with_a_child_watcher_is_freed_at_once(no_collection):
    policy = ContextPolicy("thread", missing="create")
    policy._watcher = asyncio.ThreadedChildWatcher()
    policy.set_event_loop(None)
    freed = weakref.ref(policy)
    del policy
    assert freed() is None


def test_a_method_of_a_policy_works_when_the_policy_is_gone():
    resolver = ThreadResolver()
    get = ContextPolicy(resolver, missing="create").get_event_loop
    put = ContextPolicy(resolver).set_event_loop
    loop = get()
    assert not loop.is_closed()
    other = platform_loop()
    put(other)
    assert get() is other
    put(None)
    assert get() is loop
    other.close()


# --- without using(), no frame of it is on the stack ------------------------------------------------------------------

FRAMES = """
import asyncio, sys, ctxpolicy

def frames_of(call, *args):
    frames = []
    sys.setprofile(lambda frame, event, _: frames.append(frame.f_code.co_name) if event == "call" else None)
    call(*args)
    sys.setprofile(None)
    return len(frames)

with ctxpolicy.install() as installation:
    policy, loop = installation.policy, asyncio.new_event_loop()
    print(*(frames_of(policy.set_event_loop, which) for which in (loop, None, loop)), frames_of(policy.get_event_loop))
    with ctxpolicy.using("contextvar"):
        pass
    print(frames_of(policy.get_event_loop))
    loop.close()
"""


@pytest.mark.skipif(sys.implementation.name == "pypy", reason="on PyPy built-in functions have frames too")
def test_get_and_set_take_one_frame_until_using_is_first_called():
    before, after = run_program(FRAMES).splitlines()
    assert before == "1 1 1 1"
    assert int(after) > 1
