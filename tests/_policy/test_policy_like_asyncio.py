"""Under missing="asyncio" a program behaves as under asyncio's own policy of the same Python.

The same program is run under both, and results, exceptions and warnings (their file and line too) are compared.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ctxpolicy
from ctxpolicy import ContextPolicy, ContextResolver, ThreadResolver
from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.policy_classes import DefaultEventLoopPolicy
from tests.support.asyncio_programs import PROGRAMS, Program, assert_alike, asyncios_notes, get, notes_of
from tests.support.policies import Journal, asyncio_alone, default_policy, in_force
from tests.support.resolver_cases import CASES

# --- the ways to have a resolver in force -----------------------------------------------------------------------------


@contextlib.contextmanager
def set_plainly(resolver: ContextResolver) -> Iterator[None]:
    with asyncio_alone(), in_force(ContextPolicy(resolver)):
        yield


@contextlib.contextmanager
def installed(resolver: ContextResolver) -> Iterator[None]:
    with asyncio_alone(), ctxpolicy.install(resolver):
        yield


@contextlib.contextmanager
def installed_where_using_is_used(resolver: ContextResolver) -> Iterator[None]:
    with asyncio_alone(), ctxpolicy.install(resolver) as installation:
        installation.policy.enable_overrides()
        yield


WAYS = [set_plainly, installed, installed_where_using_is_used]
# The resolvers whose loops do not cross threads. With the other resolvers, a program with two threads sees loops that
# asyncio's policy does not return.
ALIKE = [case for case in CASES.values() if not case.any_thread]


@pytest.fixture(params=PROGRAMS.values(), ids=PROGRAMS)
def run_program(request: pytest.FixtureRequest) -> Program:
    result: Program = request.param
    return result


@pytest.mark.parametrize("way", WAYS)
def test_a_program_behaves_as_under_asyncios_own_policy(run_program, way):
    with way(ThreadResolver()):
        ours = notes_of(run_program)
    assert_alike(ours, asyncios_notes(run_program))


@pytest.mark.parametrize("way", WAYS)
def test_a_program_behaves_the_same_if_warnings_are_errors(run_program, way):
    with way(ThreadResolver()):
        ours = notes_of(run_program, "error")
    assert_alike(ours, asyncios_notes(run_program, "error"))


@pytest.mark.parametrize("case", ALIKE, ids=lambda case: case.name)
def test_in_one_context_every_resolver_behaves_as_asyncio(run_program, case):
    if case.missing:
        pytest.skip(case.missing)
    with installed(case.make()):
        ours = notes_of(run_program)
    assert_alike(ours, asyncios_notes(run_program))


def test_a_program_in_a_using_block_behaves_as_under_asyncios_own_policy(run_program):
    def block(journal: Journal) -> None:
        with ctxpolicy.using(ThreadResolver()):
            run_program(journal)

    # Threads that the program starts are outside the block, and use asyncio's own policy.
    with asyncio_alone():
        ours = notes_of(block)
    assert_alike(ours, asyncios_notes(run_program))


def test_a_program_outside_of_every_using_block_behaves_as_under_asyncios_own_policy(run_program):
    with asyncio_alone():
        elsewhere = contextvars.Context()
        block = ctxpolicy.using("task")
        elsewhere.run(block.__enter__)
        try:
            ours = notes_of(run_program)
        finally:
            elsewhere.run(block.__exit__, None, None, None)
    assert_alike(ours, asyncios_notes(run_program))


class Plugin(ThreadResolver):
    """A resolver with a getter of its own, as plugins have. Its frames are between asyncio and the policy."""

    def getter(self, miss):
        def ask_elsewhere():
            return miss()

        def get_event_loop():
            loop = self.get()
            return ask_elsewhere() if loop is None else loop

        return get_event_loop


class CallablePlugin(ThreadResolver):
    def getter(self, miss):
        return _Getter(self.get, miss)


class _Getter:
    def __init__(self, get, miss):
        self.get, self.miss = get, miss

    def __call__(self):
        loop = self.get()
        return self.miss() if loop is None else loop


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("plugin", [Plugin, CallablePlugin])
def test_no_warning_blames_a_frame_of_a_plugin(run_program, way, plugin):
    with way(plugin()):
        ours = notes_of(run_program)
    assert_alike(ours, asyncios_notes(run_program))


def subclass_of(base: Any) -> Any:
    """Return the subclass from asyncio's documentation, derived from the given policy class."""

    class MyEventLoopPolicy(base):  # type: ignore[misc]
        def get_event_loop(self):
            loop = super().get_event_loop()
            loop.asked = getattr(loop, "asked", 0) + 1
            return loop

        def set_event_loop(self, loop):
            super().set_event_loop(loop)
            self.last_set = loop

        def new_event_loop(self):
            self.made = getattr(self, "made", 0) + 1
            return super().new_event_loop()

    return MyEventLoopPolicy


def test_a_subclass_that_calls_super_behaves_as_one_of_asyncios_own_policy(run_program):
    with asyncio_alone() as own:
        theirs, mine = subclass_of(type(own))(), subclass_of(ContextPolicy)("thread")
    with in_force(theirs):
        asyncios = notes_of(run_program)
    with in_force(mine):
        ours = notes_of(run_program)
    assert_alike(ours, asyncios)
    assert getattr(mine, "made", None) == getattr(theirs, "made", None)
    assert hasattr(mine, "last_set") == hasattr(theirs, "last_set")


# --- the policy of 3.13 that compat restores if asyncio has none ------------------------------------------------------

as_on_3_13 = pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="compared with asyncio's of Python 3.13")


@as_on_3_13
@pytest.mark.parametrize("action", ["always", "error"])
def test_compats_default_policy_behaves_as_asyncios_of_3_13(run_program, action):
    with forced(DefaultEventLoopPolicy()):
        compats = notes_of(run_program, action)
    assert_alike(compats, asyncios_notes(run_program, action))


@as_on_3_13
def test_a_subclass_of_compats_default_policy_behaves_as_one_of_asyncios(run_program):
    theirs, compats = subclass_of(type(default_policy()))(), subclass_of(DefaultEventLoopPolicy)()
    with in_force(theirs):
        asyncios = notes_of(run_program)
    with forced(compats):
        ours = notes_of(run_program)
    assert_alike(ours, asyncios)
    assert getattr(compats, "made", None) == getattr(theirs, "made", None)
    assert hasattr(compats, "last_set") == hasattr(theirs, "last_set")


@contextlib.contextmanager
def forced(policy: Any) -> Iterator[None]:
    """Put an object in force that asyncio would not accept as a policy."""
    previous = host.in_force()
    host.force(policy)
    try:
        yield
    finally:
        host.force(previous)


# --- random programs --------------------------------------------------------------------------------------------------

STEPS = ["get", "set first", "set second", "set None", "set 'loop'", "close first", "new", "run", "future"]


class RandomProgram:
    """Runs the steps in the main thread, or in one worker thread that lives as long as the program."""

    def __init__(self, steps: list[tuple[bool, str]]) -> None:
        self.steps = steps

    def __call__(self, journal: Journal) -> None:
        loops = [journal.loop(), journal.loop()]
        with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="worker") as worker:
            for in_worker, step in self.steps:
                if in_worker:
                    worker.submit(self.take, step, journal, loops).result()
                else:
                    self.take(step, journal, loops)

    def take(self, step: str, journal: Journal, loops: list[asyncio.AbstractEventLoop]) -> None:
        if step == "get":
            journal.note(get)
        elif step == "new":
            journal.note(asyncio.new_event_loop)
        elif step == "run":
            journal.note(lambda: asyncio.run(asyncio.sleep(0, "done")))
        elif step == "future":
            journal.note(lambda: asyncio.Future().get_loop())
        elif step == "close first":
            loops[0].close()
        else:
            what = {"set first": loops[0], "set second": loops[1], "set None": None, "set 'loop'": "loop"}[step]
            journal.note(asyncio.set_event_loop, what)


@given(steps=st.lists(st.tuples(st.booleans(), st.sampled_from(STEPS)), max_size=12), way=st.sampled_from(WAYS))
def test_a_random_program_behaves_as_under_asyncios_own_policy(steps, way):
    with way(ThreadResolver()):
        ours = notes_of(RandomProgram(steps))
    assert_alike(ours, asyncios_notes(RandomProgram(steps)))
