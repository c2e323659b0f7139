"""The test double records every call, and answers by a script."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools

import pytest

import ctxpolicy
from ctxpolicy import ChainResolver, ContextPolicy, ContextResolver, OptionError, ProcessResolver, ThreadResolver
from ctxpolicy.testing import Call, RecordingResolver, ResolverContract, StandInLoop, in_new_thread, thread_context
from tests.support.policies import collect_garbage


class TestRecordingResolver(ResolverContract):
    """It keeps the laws as the resolver inside it does. Its records are dropped here, because they keep loops alive."""

    def make_resolver(self):
        recording = RecordingResolver()
        recording.calls = collections.deque(maxlen=0)
        return recording

    def new_context(self):
        return thread_context()


@pytest.fixture
def recording():
    return RecordingResolver()


def test_a_call_is_recorded_with_its_arguments_its_result_and_its_thread(recording):
    loop = StandInLoop()
    recording.set(loop)
    thread = recording.calls[0].thread
    assert recording.get() is loop
    assert recording.calls == [Call("set", (loop,), None, None, thread), Call("get", (), loop, None, thread)]
    in_new_thread(recording.get)
    assert recording.calls[-1].answer is None
    assert recording.calls[-1].thread != thread


def test_calls_by_asyncio_are_recorded_under_the_names_of_the_contract(recording):
    with ctxpolicy.install(recording, missing="error"):
        asyncio.run(asyncio.sleep(0))
        with contextlib.suppress(RuntimeError):
            asyncio.get_event_loop()
    assert recording.methods[0] == "installed"
    assert recording.methods[-1] == "uninstalled"
    sets = [call.arguments[0] for call in recording.calls if call.method == "set"]
    assert isinstance(sets[0], asyncio.AbstractEventLoop)
    assert sets[-1] is None
    assert "get" in recording.methods


def test_a_lease_is_recorded_and_passed_on(recording):
    policy = ContextPolicy(recording, missing="create")
    loop = policy.get_event_loop()
    (lease,) = [call for call in recording.calls if call.method == "lease"]
    assert lease.answer is loop
    recording.bindings.clear()
    collect_garbage()
    assert loop.is_closed()


def test_the_calls_of_a_scope_are_recorded_with_its_loop(recording):
    policy = ContextPolicy(recording)
    with ctxpolicy.install(policy):
        with ctxpolicy.fresh_loop() as loop:
            pass
    calls = [call[:3] for call in recording.calls if "scope" in call.method]
    assert calls == [
        ("enter_scope", (loop,), None),
        ("is_innermost_scope", (loop,), True),
        ("leave_scope", (), None),
    ]


def test_recording_a_scope_does_not_keep_a_lease_alive(recording):
    with ctxpolicy.install(recording, missing="create"):
        leased = asyncio.get_event_loop()
        with ctxpolicy.fresh_loop():
            assert recording.binding().loop is not leased
        assert recording.binding().loop is leased
        assert recording.calls[-1][:3] == ("binding", (), leased)
        recording.bindings.clear()
        collect_garbage()
        assert leased.is_closed()


def test_the_policy_asks_for_a_factory_to_make_a_loop_and_this_call_is_recorded(recording):
    with ctxpolicy.install(recording):
        asyncio.new_event_loop().close()
        assert recording.calls[-1][:3] == ("factory", (), None)


def test_all_other_calls_are_recorded_too(recording):
    assert recording.bindings.was_set() is False
    recording.bindings.note_set()
    assert (recording.bindings.was_set(), recording.bindings.is_thread_exclusive()) == (True, True)
    recording.bindings.clear()
    recording.after_fork()
    assert recording.methods == [
        "was_set",
        "note_set",
        "was_set",
        "is_thread_exclusive",
        "clear",
        "after_fork",
    ]


def test_every_method_of_the_contract_is_recorded_except_getter_setter_and_binding_changed():
    methods = {
        name for name in vars(ContextResolver) if not name.startswith("_") and callable(vars(ContextResolver)[name])
    }
    assert methods - vars(RecordingResolver).keys() == {"getter", "setter", "binding_changed"}


def test_a_recording_resolver_passes_calls_on_to_the_resolver_inside_it():
    process = ProcessResolver()
    recording, loop = RecordingResolver(process), StandInLoop()
    recording.set(loop)
    assert recording.present() is process
    assert process.get() is loop
    assert recording.describe() == process.describe()
    assert recording.applies() is True
    assert recording.methods == ["set", "describe", "applies"]
    assert repr(recording) == f"<RecordingResolver of {process!r}, 3 calls>"


def test_scripted_answers_are_given_in_turn_and_then_calls_are_passed_on_again(recording):
    mine, scripted = StandInLoop("mine"), StandInLoop("scripted")
    recording.set(mine)
    recording.script("get", [scripted, None])
    assert [recording.get() for _ in range(4)] == [scripted, None, mine, mine]
    assert [call.answer for call in recording.calls[1:]] == [scripted, None, mine, mine]


def test_a_scripted_exception_is_raised_and_recorded(recording):
    error = OSError("out of descriptors")
    recording.script("set", [error])
    with pytest.raises(OSError, match="out of descriptors"):
        ContextPolicy(recording).set_event_loop(StandInLoop())
    assert recording.calls[-1].error is error
    assert recording.get() is None


def test_a_script_may_be_endless(recording):
    recording.script("applies", itertools.repeat(False))
    chain = ChainResolver(recording, ThreadResolver())
    assert all(chain.present() is not recording for _ in range(10))


def test_only_methods_that_are_recorded_can_be_scripted(recording):
    with pytest.raises(OptionError, match="no method to script is called 'forget'; there are: applies, describe, get"):
        recording.script("forget", [])


def test_the_policy_makes_new_loops_if_the_resolver_has_no_kind_of_its_own(recording):
    ContextPolicy(recording).new_event_loop().close()
    assert "new" not in recording.methods


def test_new_loops_of_the_resolvers_own_kind_are_recorded():
    own = type("Own", (ThreadResolver,), {"loop_factory": lambda: StandInLoop("its own")})
    recording = RecordingResolver(own())
    assert repr(ContextPolicy(recording).new_event_loop()) == "its own"
    assert repr(recording.new()) == "its own"
    assert recording.methods == ["factory", "new", "new"]


def test_a_scripted_new_makes_the_policys_loops(recording):
    loop = StandInLoop("scripted")
    recording.script("new", [loop])
    assert ContextPolicy(recording).new_event_loop() is loop
    recording.new().close()
    assert recording.methods == ["factory", "new", "new"]
