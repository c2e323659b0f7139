"""Programs that use asyncio in typical ways. The tests run them under several policies and compare the outcomes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
from collections.abc import Callable
from typing import Any, Literal

from ctxpolicy._asyncio.host import host
from tests.support.policies import Journal, Note, asyncio_alone, in_thread

__all__ = ["PROGRAMS", "Program", "assert_alike", "asyncios_notes", "get", "notes_of"]

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
def asks_from_a_module_whose_name_starts_like_asyncio(journal: Journal) -> None:
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
def unbinds_an_implicitly_created_loop(journal: Journal) -> None:
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
def binds_an_object_that_is_no_loop(journal: Journal) -> None:
    for wrong in (1, "loop", asyncio.SelectorEventLoop, object):
        journal.note(asyncio.set_event_loop, wrong)
    journal.note(get)


@program
def binds_an_object_that_is_no_loop_over_a_loop(journal: Journal) -> None:
    journal.note(asyncio.set_event_loop, journal.loop())
    journal.note(asyncio.set_event_loop, "loop")
    journal.note(get)


@program
def binds_an_object_that_is_no_loop_in_another_thread(journal: Journal) -> None:
    in_thread(journal.note, asyncio.set_event_loop, 5)
    journal.note(get)


@program
def binds_a_closed_loop(journal: Journal) -> None:
    loop = journal.loop()
    loop.close()
    journal.note(asyncio.set_event_loop, loop)
    journal.note(get)


@program
def closes_an_implicitly_created_loop(journal: Journal) -> None:
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
    policy = host.in_force() or host.asyncio_policy()
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
    with asyncio_alone():
        return notes_of(run_program, action)


def assert_alike(ours: list[Note], asyncios: list[Note]) -> None:
    assert len(ours) == len(asyncios)
    for mine, theirs in zip(ours, asyncios):
        assert mine.is_like(theirs), f"{mine}\nunder asyncio's own policy: {theirs}"
