"""A chain of resolvers works as trio-asyncio documents for its policy. If it is installed, the two are compared."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import ChainResolver, ThreadResolver
from ctxpolicy.testing import in_new_thread
from tests.resolvers.processes import fork
from tests.support.programs import run_program, run_python

trio = pytest.importorskip("trio", reason="needs the package trio, which is not installed")

from ctxpolicy.resolvers.trio import TrioResolver  # noqa: E402 - needs trio

Loop = asyncio.AbstractEventLoop


@pytest.fixture
def loops() -> Iterator[list[Loop]]:
    """Two loops, open for the test."""
    made: list[Loop] = [asyncio.SelectorEventLoop() for _ in range(2)]
    yield made
    for loop in made:
        loop.close()


@pytest.fixture(autouse=True)
def chain() -> Iterator[ChainResolver]:
    """The chain, installed."""
    resolver = ChainResolver(TrioResolver(), ThreadResolver())
    with ctxpolicy.install(resolver, missing="error"):
        yield resolver


def in_trio(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in the main task of a Trio run."""

    async def main() -> Any:
        return function(*args)

    return trio.run(main)


def current() -> Loop | None:
    try:
        return asyncio.get_event_loop()
    except RuntimeError:
        return None


def test_a_trio_task_inherits_its_parents_loop_and_what_it_sets_is_its_own(loops: list[Loop]) -> None:
    async def child() -> None:
        seen.append(current())
        asyncio.set_event_loop(loops[1])
        await trio.sleep(0)
        seen.append(current())

    async def main() -> None:
        asyncio.set_event_loop(loops[0])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            nursery.start_soon(child)
        seen.append(current())

    seen: list[Loop | None] = []
    trio.run(main)
    assert seen == [loops[0], loops[0], loops[1], loops[1], loops[0]]


def test_the_loop_is_read_from_the_trio_tasks_context_and_not_from_the_present_one(loops: list[Loop]) -> None:
    def main() -> None:
        elsewhere = contextvars.copy_context()
        asyncio.set_event_loop(loops[0])
        assert elsewhere.run(current) is loops[0]  # asyncio runs its handles in other contextvars contexts, too
        elsewhere.run(asyncio.set_event_loop, loops[1])
        assert current() is loops[0]

    in_trio(main)


def test_no_loop_is_made_inside_a_trio_run_and_the_error_says_what_to_do(chain: ChainResolver) -> None:
    with pytest.raises(
        RuntimeError, match=r"(?s)inside a Trio run.*async with.*trio_asyncio\.open_loop\(\).*to_thread"
    ):
        in_trio(asyncio.new_event_loop)
    with ctxpolicy.install(chain, missing="create"), pytest.raises(RuntimeError, match="Trio task .*main.* in thread"):
        in_trio(asyncio.get_event_loop)
    asyncio.new_event_loop().close()


def test_a_loop_unbound_inside_a_trio_run_is_gone_there(loops: list[Loop]) -> None:
    def main() -> None:
        assert current() is None
        asyncio.set_event_loop(loops[0])
        asyncio.set_event_loop(None)
        assert current() is None

    in_trio(main)


def test_outside_of_trio_each_thread_has_a_loop_of_its_own(loops: list[Loop]) -> None:
    def work() -> None:
        seen.append(current())
        asyncio.set_event_loop(loops[1])
        seen.append(current())

    seen: list[Loop | None] = []
    asyncio.set_event_loop(loops[0])
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None, loops[1]]
    assert current() is loops[0]
    assert in_trio(current) is None
    assert in_trio(asyncio.set_event_loop, loops[1]) is None
    assert current() is loops[0]


def test_a_worker_thread_of_trio_is_outside_the_run_and_may_run_a_loop(loops: list[Loop]) -> None:
    async def main() -> tuple[Loop | None, int]:
        asyncio.set_event_loop(loops[0])
        return await trio.to_thread.run_sync(current), await trio.to_thread.run_sync(asyncio.run, asyncio.sleep(0, 5))

    assert trio.run(main) == (None, 5)


def test_errors_name_the_trio_task_and_the_thread() -> None:
    resolver = TrioResolver()
    assert resolver.describe() == "thread 'MainThread', outside any Trio run"
    assert "test_trio" in in_trio(resolver.describe)
    assert in_trio(resolver.describe).endswith("in thread 'MainThread'")


def test_a_chain_inside_a_trio_run_refuses_a_new_loop_and_outside_makes_one() -> None:
    resolver = TrioResolver()
    with pytest.raises(RuntimeError, match="is inside a Trio run"):
        in_trio(resolver.new)
    resolver.new().close()


def test_without_a_chain_no_loop_can_be_set_outside_trio_and_the_error_says_what_to_do(loops: list[Loop]) -> None:
    resolver = TrioResolver()
    assert not resolver.applies()
    resolver.set(None)
    resolver.bindings.clear()
    with pytest.raises(RuntimeError, match="outside any Trio run.*ThreadResolver"):
        resolver.set(loops[0])
    assert resolver.get() is None
    assert in_trio(resolver.applies) is True


def test_a_loop_leased_inside_a_trio_run_ends_with_its_task() -> None:
    def main() -> Loop:
        return resolver.bindings.lease(asyncio.SelectorEventLoop)

    resolver = TrioResolver()
    loop = in_trio(main)
    for _ in range(4):  # a cycle with finalizers takes PyPy several rounds
        gc.collect()
    assert loop.is_closed()


def test_without_trio_the_error_says_what_to_install() -> None:
    done = run_python("-c", "import sys; sys.modules['trio'] = None; import ctxpolicy.resolvers.trio")
    assert "PluginError: the resolver 'trio' needs the package trio: pip install 'ctxpolicy[trio]'" in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the process has several threads, but trio's are idle
def test_a_forked_child_is_in_no_trio_run_and_has_no_loop(loops: list[Loop]) -> None:
    def main() -> bool:
        asyncio.set_event_loop(loops[0])
        return fork(lambda: current() is None and runs_a_loop() and runs_trio())

    def runs_a_loop() -> bool:
        return asyncio.run(asyncio.sleep(0, True))

    def runs_trio() -> bool:
        context = contextvars.copy_context()  # has the parent's binding
        return in_new_thread(lambda: context.run(in_trio, bind)) == [None, loops[1]]

    def bind() -> list[Loop | None]:
        before = current()
        asyncio.set_event_loop(loops[1])
        return [before, current()]

    assert in_trio(main)


AGREEMENT = """
import sys, warnings
warnings.simplefilter("ignore")
import asyncio, os, threading
import trio
import ctxpolicy

def current():
    try:
        loop = asyncio.get_event_loop()
    except RuntimeError:
        return None
    return loops.index(loop) if loop in loops else loop

def refused():
    try:
        asyncio.new_event_loop().close()
    except RuntimeError as error:
        return "open_loop()" in str(error)
    return False

def in_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]

def set_and_get(number):
    asyncio.set_event_loop(loops[number])
    return current()

def in_fork(function):
    child = os.fork()
    if child == 0:
        os._exit(0 if function() is None else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

async def child(said):
    said.append(("child starts with", current()))
    said.append(("child sets", set_and_get(1)))
    await trio.sleep(0)
    said.append(("child keeps", current()))

async def main(said):
    said.append(("main starts with", current()))
    said.append(("main sets", set_and_get(0)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(child, said)
    said.append(("main keeps", current()))
    said.append(("new loop refused", refused()))
    said.append(("worker thread", await trio.to_thread.run_sync(current)))
    said.append(("Trio's loop goes in a fork", in_fork(lambda: None if current() != 0 else 0)))
    asyncio.set_event_loop(None)
    said.append(("unset", current()))

def say():
    said = []
    asyncio.set_event_loop(loops[2])
    trio.run(main, said)
    said.append(("outside", current()))
    said.append(("new loop refused outside", refused()))
    said.append(("thread starts with", in_thread(current)))
    said.append(("thread sets", in_thread(lambda: set_and_get(1))))
    said.append(("outside again", current()))
    asyncio.set_event_loop(None)
    return said

loops = [asyncio.SelectorEventLoop() for _ in range(3)]
from ctxpolicy.resolvers.trio import TrioResolver

with ctxpolicy.install(ctxpolicy.ChainResolver(TrioResolver(), ctxpolicy.ThreadResolver()), missing="error"):
    ours = say()
import trio_asyncio  # this import sets its own policy permanently
theirs = say()
for loop in loops:
    loop.close()
assert len(ours) == 15, ours
print("both agree" if ours == theirs else f"{ours}\\n{theirs}")
"""


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="trio-asyncio does not import on Python 3.14 and later")
@pytest.mark.skipif(not importlib.util.find_spec("trio_asyncio"), reason="needs the package trio-asyncio")
def test_it_agrees_with_trio_asyncios_own_policy() -> None:
    assert run_program(AGREEMENT, flags=()) == "both agree"
