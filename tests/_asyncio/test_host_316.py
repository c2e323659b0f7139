"""The host of Python 3.16, on every Python: the tests add the attributes of asyncio 3.16 that it uses."""

import asyncio
import contextlib
import threading
from asyncio import events

import pytest

from ctxpolicy._asyncio.host_316 import Host316
from ctxpolicy._asyncio.policy_classes import AbstractEventLoopPolicy, CurrentLoop, DefaultEventLoopPolicy, policy_class


class Local(threading.local):
    """A copy of asyncio.events._Local of 3.16."""

    _loop = None


class Policy(DefaultEventLoopPolicy):
    """A policy whose loops have a class of their own."""

    class Loop(asyncio.SelectorEventLoop):
        pass

    _loop_factory = Loop


@pytest.fixture
def host_316(monkeypatch):
    """Return a host over an asyncio with the attributes of 3.16 that it uses. They are removed after the test."""
    monkeypatch.setattr(events, "_local", Local(), raising=False)
    monkeypatch.setattr(events, "new_event_loop", asyncio.SelectorEventLoop)
    monkeypatch.setattr(asyncio, "new_event_loop", asyncio.SelectorEventLoop)
    return Host316()


@contextlib.contextmanager
def new_loop(make=asyncio.SelectorEventLoop):
    loop = make()
    try:
        yield loop
    finally:
        loop.close()


def test_a_policy_in_force_provides_the_current_loop_and_makes_new_loops(host_316):
    policy = Policy()
    host_316.force(policy)
    assert host_316.in_force() is policy
    with new_loop(asyncio.new_event_loop) as loop:
        assert type(loop) is Policy.Loop
        events._local._loop = loop
        assert policy.get_event_loop() is loop
        assert events._local._loop is loop
        events._local._loop = None
    with new_loop(events.new_event_loop) as loop:
        assert type(loop) is Policy.Loop


def test_force_none_restores_the_original_attributes_of_asyncio(host_316):
    local, new_event_loop = events._local, events.new_event_loop
    host_316.force(Policy())
    host_316.force(Policy())
    host_316.force(None)
    assert host_316.in_force() is None
    assert events._local is local
    assert events.new_event_loop is asyncio.new_event_loop is new_event_loop


def test_a_get_event_loop_that_is_assigned_to_the_policy_later_is_used(host_316):
    policy = Policy()
    host_316.force(policy)
    with new_loop() as loop:
        policy.get_event_loop = lambda: loop
        assert events._local._loop is loop


def test_a_foreign_local_means_that_no_policy_is_in_force_and_is_restored_later(host_316):
    native = events.new_event_loop
    host_316.force(Policy())
    events._local = theirs = Local()
    assert host_316.in_force() is None
    with new_loop() as loop:
        theirs._loop = loop
        assert host_316.asyncio_policy().get_event_loop() is loop
    host_316.force(Policy())
    host_316.force(None)
    assert events._local is theirs
    assert events.new_event_loop is asyncio.new_event_loop is native


def test_a_foreign_new_event_loop_is_restored_too(host_316):
    events._local = theirs = Local()
    events.new_event_loop = asyncio.new_event_loop = make = lambda: Policy.Loop()
    host_316.force(Policy())
    host_316.force(None)
    assert (events._local, events.new_event_loop, asyncio.new_event_loop) == (theirs, make, make)


def test_a_new_event_loop_that_is_assigned_to_the_policy_later_is_used(host_316):
    policy = Policy()
    host_316.force(policy)
    policy.new_event_loop = asyncio.SelectorEventLoop
    with new_loop(asyncio.new_event_loop) as loop:
        assert type(loop) is asyncio.SelectorEventLoop


def test_an_imported_new_event_loop_follows_the_policy_in_force(host_316):
    host_316.force(DefaultEventLoopPolicy())
    kept = asyncio.new_event_loop
    host_316.force(Policy())
    assert asyncio.new_event_loop is kept
    with new_loop(kept) as loop:
        assert type(loop) is Policy.Loop
    host_316.force(None)
    with new_loop(kept) as loop:
        assert type(loop) is asyncio.SelectorEventLoop


def test_a_foreign_new_event_loop_may_call_the_function_that_it_replaced(host_316):
    host_316.force(Policy())
    found = events.new_event_loop
    events._local = Local()
    events.new_event_loop = asyncio.new_event_loop = theirs = lambda: found()
    with new_loop(theirs) as loop:
        assert type(loop) is asyncio.SelectorEventLoop
    host_316.force(Policy())
    with new_loop(theirs) as loop:
        assert type(loop) is Policy.Loop
    host_316.force(None)
    assert asyncio.new_event_loop is theirs
    with new_loop(theirs) as loop:
        assert type(loop) is asyncio.SelectorEventLoop


def test_the_default_policy_is_in_force_if_no_other_is(host_316):
    local = events._local
    host_316.default = default = Policy()
    host_316.force(None)
    assert host_316.in_force() is default
    host_316.force(other := Policy())
    assert host_316.in_force() is other
    host_316.force(None)
    assert host_316.in_force() is default
    host_316.default = None
    host_316.force(None)
    assert host_316.in_force() is None
    assert events._local is local


def test_asyncios_own_policy_creates_no_loop_implicitly(host_316):
    with pytest.raises(RuntimeError, match="^There is no current event loop in thread 'MainThread'.$"):
        host_316.asyncio_policy().get_event_loop()


def test_asyncios_own_policy_reads_and_writes_asyncios_own_local(host_316):
    with new_loop() as loop:
        events._local._loop = loop
        assert host_316.asyncio_policy().get_event_loop() is loop
        host_316.force(Policy())
        assert host_316.asyncio_policy().get_event_loop() is loop
        host_316.asyncio_policy().set_event_loop(None)
        host_316.force(None)
        assert events._local._loop is None


def test_after_a_fork_the_policy_is_in_force_again_over_the_childs_own_local(host_316):
    policy = Policy()
    host_316.after_fork()
    assert host_316.in_force() is None
    host_316.force(policy)
    events._local = fresh = Local()  # asyncio does this in a forked child
    host_316.after_fork()
    assert host_316.in_force() is policy
    with new_loop() as loop:
        host_316.asyncio_policy().set_event_loop(loop)
        assert fresh._loop is loop
        fresh._loop = None
    host_316.force(None)
    assert events._local is fresh


def test_the_abstract_policy_implements_nothing():
    policy = AbstractEventLoopPolicy()
    for call in (policy.get_event_loop, lambda: policy.set_event_loop(None), policy.new_event_loop):
        with pytest.raises(NotImplementedError):
            call()


def test_the_default_policy_makes_a_loop_in_the_main_thread_with_a_warning_that_blames_the_caller():
    policy = Policy()
    with pytest.warns(DeprecationWarning, match="There is no current event loop") as caught:
        loop = policy.get_event_loop()
    assert caught[0].filename == __file__
    assert policy.get_event_loop() is loop
    policy.set_event_loop(None)
    with pytest.raises(RuntimeError, match="There is no current event loop in thread 'MainThread'"):
        policy.get_event_loop()
    loop.close()


def test_the_default_policy_makes_no_loop_in_other_threads():
    errors = []

    def ask():
        try:
            policy.get_event_loop()
        except RuntimeError as error:
            errors.append(str(error))

    policy = Policy()
    thread = threading.Thread(target=ask, name="worker")
    thread.start()
    thread.join()
    assert errors == ["There is no current event loop in thread 'worker'."]


def test_the_default_policy_accepts_only_loops():
    policy = Policy()
    with pytest.raises(TypeError, match="loop must be an instance of AbstractEventLoop or None, not 'int'"):
        policy.set_event_loop(42)


def test_the_stand_in_for_a_thread_local_reads_and_writes():
    written = []
    stand_in = CurrentLoop(lambda: "read", written.append)
    assert stand_in._loop == "read"
    stand_in._loop = "written"
    assert written == ["written"]


def test_policy_class_returns_a_class_with_the_given_name_and_loop_class():
    made = policy_class("NamedPolicy", asyncio.SelectorEventLoop)
    assert made.__name__ == "NamedPolicy"
    loop = made().new_event_loop()
    assert type(loop) is asyncio.SelectorEventLoop
    loop.close()
