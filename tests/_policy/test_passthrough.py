"""The policy that is in force while using blocks are open and no ContextPolicy is in force."""

from __future__ import annotations

import asyncio
import contextvars
import os
import warnings

import pytest

from ctxpolicy import ContextPolicy, ThreadResolver, using
from ctxpolicy._asyncio.capabilities import CREATES_IMPLICITLY, CREATION_WARNS, PolicyBase
from ctxpolicy._asyncio.host import host
from ctxpolicy._policy.passthrough import PassThroughPolicy
from tests.support.policies import asyncio_alone, default_policy, in_force, in_thread, set_policy


class Kept:
    """Stands in for the thread-local object of another library's policy."""

    _loop: asyncio.AbstractEventLoop | None = None


class Own(asyncio.SelectorEventLoop):
    pass


class OtherPolicy(PolicyBase):
    """Has one loop for the process, which it creates when it is needed."""

    def __init__(self, *, private: bool = True) -> None:
        super().__init__()
        self.kept = Kept()
        if private:
            self._local = self.kept

    def get_event_loop(self):
        if self.kept._loop is None:
            self.kept._loop = self.new_event_loop()
        return self.kept._loop

    def set_event_loop(self, loop):
        if loop == "forbidden":
            raise ValueError("not that one")
        self.kept._loop = loop

    def new_event_loop(self):
        return Own()


@pytest.fixture(params=[True, False])
def previous(request: pytest.FixtureRequest):
    """Put another library's policy in force, which keeps its loop in ``_local`` as asyncio's policy does, or not."""
    policy = OtherPolicy(private=request.param)
    with in_force(policy):
        yield policy
    if policy.kept._loop is not None:
        policy.kept._loop.close()


@pytest.fixture
def passthrough(previous):
    """Put the pass-through policy in force over that policy, with no block open."""
    policy = PassThroughPolicy(previous)
    set_policy(policy)
    return policy


@pytest.mark.skipif(not CREATES_IMPLICITLY, reason="asyncio of this Python creates no loop implicitly")
def test_a_subclass_of_asyncios_policy_still_makes_loops_and_a_warning_blames_the_caller():
    class Subclass(PolicyBase):
        def new_event_loop(self):
            return Own()

    with in_force(policy := Subclass()), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with using("task"):
            loop = contextvars.Context().run(asyncio.get_event_loop)
    assert type(loop) is Own
    assert policy._local._loop is loop
    assert [warning.filename for warning in caught] == [__file__] * CREATION_WARNS
    loop.close()


def test_it_names_the_previous_policy(previous, passthrough):
    assert passthrough.previous is previous
    assert repr(passthrough) == f"<the policy of using() over {previous!r}>"
    assert passthrough.resolver.describe() == f"the present context of {previous!r}"


def test_get_set_and_new_are_those_of_the_previous_policy(previous, passthrough):
    loop = asyncio.get_event_loop()
    assert type(loop) is Own
    assert in_thread(asyncio.get_event_loop) is loop
    asyncio.set_event_loop(None)
    assert previous.kept._loop is None
    asyncio.set_event_loop(loop)
    assert previous.kept._loop is loop
    made = asyncio.new_event_loop()
    assert type(made) is Own
    made.close()


def test_an_exception_of_the_previous_policy_is_passed_on():
    previous = default_policy()
    previous.get_event_loop = lambda: 1 / 0
    with in_force(OtherPolicy()) as kept:
        kept.get_event_loop = previous.get_event_loop
        set_policy(PassThroughPolicy(kept))
        with pytest.raises(ZeroDivisionError):
            asyncio.get_event_loop()
        set_policy(kept)


def test_an_object_that_is_not_a_loop_is_refused_as_by_every_context_policy(previous, passthrough):
    with pytest.raises(TypeError, match="loop must be an instance of AbstractEventLoop or None, not 'str'"):
        asyncio.set_event_loop("forbidden")


def test_libraries_that_read_the_private_local_see_that_of_the_previous_policy(previous, passthrough):
    loop = asyncio.get_event_loop()
    assert passthrough._local._loop is (loop if isinstance(previous._local, Kept) else None)


def test_in_a_block_the_previous_policy_is_not_called(previous):
    with using(ThreadResolver()):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        assert asyncio.get_event_loop() is loop
        assert previous.kept._loop is None
    loop.close()


def test_a_policy_that_replaces_it_still_makes_loops_of_the_previous_policys_kind(previous, passthrough):
    loop = ContextPolicy("thread").new_event_loop()
    loop.close()
    assert type(loop) is Own


def test_over_asyncios_own_policy_a_binding_is_kept_by_asyncios_policy():
    with asyncio_alone() as previous:
        with using("task"):
            outside = host.in_force()
            assert outside.previous is previous
            assert in_thread(lambda: outside.own_resolver.describe(), name="w") == "thread 'w'"
            loop = in_thread(bind_and_keep, previous)
        assert loop.is_closed()


def bind_and_keep(previous) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    assert previous._local._loop is loop
    with pytest.raises((TypeError, AssertionError)):
        asyncio.set_event_loop(5)  # type: ignore[arg-type]
    if CREATES_IMPLICITLY:
        assert previous._local._set_called
    assert asyncio.get_event_loop() is loop
    asyncio.set_event_loop(None)
    loop.close()
    return loop


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_starts_as_under_asyncios_own_policy():
    with asyncio_alone(), using("task"):
        loop = in_thread(bind_in_the_main_thread_and_fork)
    loop.close()


def bind_in_the_main_thread_and_fork() -> asyncio.AbstractEventLoop:
    # This plain thread is outside the block. It becomes the main thread of the child.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # 3.12 and later warn about a fork in a process with threads
        pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = _seen_in_the_child(loop)
        finally:
            os._exit(code)
    # Up to 3.11 asyncio leaves the loops of its policy to a child.
    keeps = not hasattr(asyncio.events, "on_fork")
    expected = PARENTS_LOOP if keeps else NEW_LOOP if CREATES_IMPLICITLY else NO_LOOP
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == expected
    asyncio.set_event_loop(None)
    return loop


PARENTS_LOOP, NEW_LOOP, NO_LOOP = 10, 11, 12


def _seen_in_the_child(parents: asyncio.AbstractEventLoop) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of 3.12 and 3.13, when a loop is created
        try:
            seen = asyncio.get_event_loop()
        except RuntimeError as error:
            return NO_LOOP if "There is no current event loop" in str(error) else 1
    return PARENTS_LOOP if seen is parents else NEW_LOOP
