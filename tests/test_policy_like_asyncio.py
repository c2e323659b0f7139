"""Under missing="asyncio" a program sees what it sees under asyncio's own policy of the same Python.

The same program is run under both, and results, exceptions and warnings (their file and line too) are compared.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ctxpolicy
from ctxpolicy import ContextPolicy, ContextResolver, ThreadResolver
from tests.policies import Journal, Note, asyncios_own, in_force, in_thread
from tests.resolver_cases import CASES

Program = Callable[[Journal], None]
PROGRAMS: dict[str, Program] = {}


def program(function: Program) -> Program:
    PROGRAMS[function.__name__] = function
    return function


def get() -> asyncio.AbstractEventLoop:
    return asyncio.get_event_loop()


@program
def asks_twice(journal: Journal) -> None:
    journal.note(get)
    journal.note(get)


@program
def asks_from_a_line_of_its_own(journal: Journal) -> None:
    journal.note(lambda: asyncio.get_event_loop())


@program
def asks_without_a_frame_of_its_own(journal: Journal) -> None:
    journal.note(asyncio.get_event_loop)


@program
def asks_from_a_module_whose_name_starts_like_asyncios(journal: Journal) -> None:
    for name in ("asyncio_tools", "asyncio", "asyncio.tools", "asynciox.y", "ctxpolicy_tools"):
        scope: dict[str, Any] = {"__name__": name, "asyncio": asyncio}
        exec(compile("def ask():\n    return asyncio.get_event_loop()", f"<{name}>", "exec"), scope)
        journal.note(scope["ask"])
        journal.note(asyncio.set_event_loop, None)


@program
def makes_things_that_ask(journal: Journal) -> None:
    journal.note(lambda: asyncio.Future().get_loop())


@program
def gathers_nothing(journal: Journal) -> None:
    journal.note(lambda: asyncio.gather().get_loop())


@program
def wraps_a_future(journal: Journal) -> None:
    journal.note(lambda: asyncio.wrap_future(concurrent.futures.Future()).get_loop())


@program
def makes_a_stream_reader(journal: Journal) -> None:
    journal.note(lambda: asyncio.StreamReader()._loop)


@program
def asks_after_unbinding(journal: Journal) -> None:
    journal.note(asyncio.set_event_loop, None)
    journal.note(get)


@program
def unbinds_what_was_made_unasked(journal: Journal) -> None:
    journal.note(get)
    journal.note(asyncio.set_event_loop, None)
    journal.note(get)


@program
def binds_and_unbinds(journal: Journal) -> None:
    journal.note(asyncio.set_event_loop, journal.loop())
    journal.note(get)
    journal.note(asyncio.set_event_loop, journal.loop())
    journal.note(get)
    journal.note(asyncio.set_event_loop, None)
    journal.note(get)


@program
def binds_what_is_no_loop(journal: Journal) -> None:
    for wrong in (1, "loop", asyncio.SelectorEventLoop, object):
        journal.note(asyncio.set_event_loop, wrong)
    journal.note(get)


@program
def binds_what_is_no_loop_over_a_loop(journal: Journal) -> None:
    journal.note(asyncio.set_event_loop, journal.loop())
    journal.note(asyncio.set_event_loop, "loop")
    journal.note(get)


@program
def binds_what_is_no_loop_in_another_thread(journal: Journal) -> None:
    in_thread(journal.note, asyncio.set_event_loop, 5)
    journal.note(get)


@program
def binds_a_closed_loop(journal: Journal) -> None:
    loop = journal.loop()
    loop.close()
    journal.note(asyncio.set_event_loop, loop)
    journal.note(get)


@program
def closes_what_was_made_unasked(journal: Journal) -> None:
    loop = journal.note(get)
    if loop is not None:
        loop.close()
    journal.note(get)


@program
def asks_in_another_thread(journal: Journal) -> None:
    in_thread(journal.note, get, name="worker")
    journal.note(get)
    in_thread(journal.note, get, name="worker")


@program
def binds_in_another_thread(journal: Journal) -> None:
    def job() -> None:
        journal.note(asyncio.set_event_loop, journal.loop())
        journal.note(get)
        journal.note(asyncio.set_event_loop, None)
        journal.note(get)

    in_thread(job, name="worker")
    journal.note(get)


@program
def binds_in_the_main_thread_and_asks_in_another(journal: Journal) -> None:
    journal.note(asyncio.set_event_loop, journal.loop())
    in_thread(journal.note, get, name="worker")


@program
def makes_loops(journal: Journal) -> None:
    journal.note(asyncio.new_event_loop)
    journal.note(asyncio.new_event_loop)
    in_thread(journal.note, asyncio.new_event_loop)


@program
def runs(journal: Journal) -> None:
    async def main() -> bool:
        return asyncio.get_event_loop() is asyncio.get_running_loop()

    journal.note(lambda: asyncio.run(main()))
    journal.note(get)
    journal.note(lambda: asyncio.run(main()))


@program
def asks_and_runs(journal: Journal) -> None:
    async def main() -> None:
        journal.note(asyncio.set_event_loop, journal.loop())
        await asyncio.sleep(0)
        journal.note(lambda: asyncio.get_event_loop() is asyncio.get_running_loop())

    journal.note(get)
    journal.note(lambda: asyncio.run(main()))
    journal.note(get)


@program
def runs_until_complete(journal: Journal) -> None:
    async def main() -> int:
        await asyncio.sleep(0)
        return 7

    loop = journal.note(asyncio.new_event_loop)
    journal.note(asyncio.set_event_loop, loop)
    journal.note(lambda: loop.run_until_complete(main()))
    journal.note(get)


@program
def asks_the_policy_itself(journal: Journal) -> None:
    from ctxpolicy._asyncio import host

    policy = host.own()
    journal.note(lambda: policy.get_event_loop())
    journal.note(lambda: policy.set_event_loop(None))
    journal.note(lambda: policy.get_event_loop())
    journal.note(lambda: policy.set_event_loop(journal.loop()))
    journal.note(lambda: policy.get_event_loop())
    journal.note(lambda: policy.new_event_loop())


@program
def carries_contexts(journal: Journal) -> None:
    journal.note(get)
    journal.note(contextvars.copy_context().run, get)


def notes_of(run_program: Program, action: Literal["always", "error"] = "always") -> list[Note]:
    """Run a program in a contextvars context and a journal of its own, under the policy in force."""
    journal = Journal(action)
    try:
        contextvars.Context().run(run_program, journal)
    finally:
        journal.close()
    return journal.notes


def asyncios_notes(run_program: Program, action: Literal["always", "error"] = "always") -> list[Note]:
    with in_force(asyncios_own()):
        return notes_of(run_program, action)


def assert_alike(ours: list[Note], asyncios: list[Note]) -> None:
    assert len(ours) == len(asyncios)
    for mine, theirs in zip(ours, asyncios):
        assert mine.is_like(theirs), f"{mine}\nunder asyncio's own policy: {theirs}"


# --- the ways to have a resolver in force -----------------------------------------------------------------------------


@contextlib.contextmanager
def set_plainly(resolver: ContextResolver) -> Iterator[None]:
    with in_force(asyncios_own()), in_force(ContextPolicy(resolver)):
        yield


@contextlib.contextmanager
def installed(resolver: ContextResolver) -> Iterator[None]:
    with in_force(asyncios_own()), ctxpolicy.install(resolver):
        yield


@contextlib.contextmanager
def installed_where_using_is_used(resolver: ContextResolver) -> Iterator[None]:
    with in_force(asyncios_own()), ctxpolicy.install(resolver) as installation:
        installation.policy.scope()
        yield


WAYS = [set_plainly, installed, installed_where_using_is_used]
# Those whose loops do not cross threads: in the others a program with two threads sees more than asyncio shows it.
ALIKE = [case for case in CASES.values() if not case.any_thread]


@pytest.fixture(params=PROGRAMS.values(), ids=PROGRAMS)
def run_program(request: pytest.FixtureRequest) -> Program:
    result: Program = request.param
    return result


@pytest.mark.parametrize("way", WAYS)
def test_a_program_sees_what_it_sees_under_asyncios_own_policy(run_program, way):
    with way(ThreadResolver()):
        ours = notes_of(run_program)
    assert_alike(ours, asyncios_notes(run_program))


@pytest.mark.parametrize("way", WAYS)
def test_where_warnings_are_errors_too(run_program, way):
    with way(ThreadResolver()):
        ours = notes_of(run_program, "error")
    assert_alike(ours, asyncios_notes(run_program, "error"))


@pytest.mark.parametrize("case", ALIKE, ids=lambda case: case.name)
def test_in_one_context_every_resolver_shows_what_asyncio_shows(run_program, case):
    if case.missing:
        pytest.skip(case.missing)
    with installed(case.make()):
        ours = notes_of(run_program)
    assert_alike(ours, asyncios_notes(run_program))


def test_a_using_block_over_asyncios_own_policy_shows_what_it_shows(run_program):
    def block(journal: Journal) -> None:
        with ctxpolicy.using(ThreadResolver()):
            run_program(journal)

    # Threads that the program starts are outside the block, and bind by asyncio's own policy: it shows the same there.
    with in_force(asyncios_own()):
        ours = notes_of(block)
    assert_alike(ours, asyncios_notes(run_program))


def test_outside_of_every_using_block_asyncios_own_policy_shows_through(run_program):
    with in_force(asyncios_own()):
        elsewhere = contextvars.Context()
        block = ctxpolicy.using("task")
        elsewhere.run(block.__enter__)
        try:
            ours = notes_of(run_program)
        finally:
            elsewhere.run(block.__exit__, None, None, None)
    assert_alike(ours, asyncios_notes(run_program))


class Plugin(ThreadResolver):
    """A resolver with a getter of its own, as plugins have: its frames stand between asyncio and the policy."""

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
def test_a_plugins_frames_take_no_blame(run_program, way, plugin):
    with way(plugin()):
        ours = notes_of(run_program)
    assert_alike(ours, asyncios_notes(run_program))


def subclass_of(base: Any) -> Any:
    """The subclass that asyncio's documentation shows, here of either policy."""

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


def test_a_subclass_that_calls_super_sees_what_it_sees_over_asyncios_own(run_program):
    theirs, mine = subclass_of(type(asyncios_own()))(), subclass_of(ContextPolicy)("thread")
    with in_force(theirs):
        asyncios = notes_of(run_program)
    with in_force(mine):
        ours = notes_of(run_program)
    assert_alike(ours, asyncios)
    assert getattr(mine, "made", None) == getattr(theirs, "made", None)
    assert hasattr(mine, "last_set") == hasattr(theirs, "last_set")


# --- random programs --------------------------------------------------------------------------------------------------

STEPS = ["get", "set first", "set second", "set None", "set 'loop'", "close first", "new", "run", "future"]


class RandomProgram:
    """Takes the steps in the main thread, or in one worker thread that lives as long as the program."""

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
def test_a_random_program_sees_what_it_sees_under_asyncios_own_policy(steps, way):
    with way(ThreadResolver()):
        ours = notes_of(RandomProgram(steps))
    assert_alike(ours, asyncios_notes(RandomProgram(steps)))
