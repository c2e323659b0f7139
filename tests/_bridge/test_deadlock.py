"""Deadlocks: a wait that could never end is refused. Of two waits that block each other, the second is refused."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ctxpolicy import BlockingError, ContextThreadPoolExecutor, block_on, install, isolate
from ctxpolicy._bridge import deadlock
from ctxpolicy._bridge.deadlock import Waiter, Work, blocked_on, current_work, waiting_for_loop
from tests._bridge.calls import Gate
from tests.support.programs import run_program


@pytest.fixture
def loops() -> Iterator[list[asyncio.AbstractEventLoop]]:
    made = [asyncio.new_event_loop() for _ in range(3)]
    yield made
    for loop in made:
        loop.close()


def blocked(loop: asyncio.AbstractEventLoop, work: Work | None = None) -> Waiter:
    """Return a waiter whose ``loop`` is blocked during the wait."""
    return Waiter(loop, work, blocked=True)


def is_refused(loop: asyncio.AbstractEventLoop, *, limited: bool = False) -> bool:
    """Return whether a wait of this thread for ``loop`` is refused."""
    try:
        with waiting_for_loop(loop, limited=limited):
            return False
    except BlockingError as error:
        return "is blocked until the work of this thread ends" in str(error)


def may_not_block_on(loop: asyncio.AbstractEventLoop, work: Work) -> bool:
    """Return whether it is refused that ``loop`` blocks until ``work`` ends."""

    async def block() -> bool:
        try:
            with blocked_on(work):
                return False
        except BlockingError as error:
            return "is waited for by the work that this thread would wait for" in str(error)

    return loop.run_until_complete(block())


def test_the_work_of_a_thread_is_recorded_only_for_the_block():
    outer, inner = Work(), Work()
    assert current_work() is None
    with outer:
        with pytest.raises(ZeroDivisionError), inner:
            divmod(1, int(current_work() is not inner))
        assert current_work() is outer
    assert current_work() is None


def test_a_loop_that_is_blocked_on_this_work_is_refused(loops):
    with Work(blocked(loops[0])):
        assert not is_refused(loops[1])
        assert is_refused(loops[0])
        assert is_refused(loops[0], limited=True)


def test_the_refusal_names_the_thread_the_loop_and_where_the_loop_was_made():
    with install():
        loop = asyncio.new_event_loop()
    names = r"thread '.+'\) would never end: <.*EventLoop .*>, made at .*test_deadlock.py:\d+ in test_the_refusal"
    with pytest.raises(BlockingError, match=names), Work(blocked(loop)):
        with waiting_for_loop(loop, limited=False):
            pytest.fail("entered")
    loop.close()


def test_a_loop_that_is_blocked_on_work_that_waits_for_this_work_is_refused(loops):
    outermost = Work(blocked(loops[0]))
    outer = Work(Waiter(loops[1], outermost, blocked=False))
    with Work(blocked(loops[2], outer)):
        assert not is_refused(loops[1])  # this loop awaits, and therefore runs
        assert is_refused(loops[0])
        assert is_refused(loops[2])


def test_a_loop_that_is_blocked_on_the_larger_work_is_refused(loops):
    """This work is a job that one loop awaits while another loop is blocked in the executor's ``shutdown()``."""
    all_jobs = Work(blocked(loops[0]))
    job = Work(Waiter(loops[1], None, blocked=False), part_of=all_jobs)
    with job:
        assert is_refused(loops[0])
        assert not is_refused(loops[1])


def test_a_loop_that_is_blocked_on_work_that_waits_for_a_loop_blocked_on_this_work_is_refused(loops):
    """The first loop is blocked on a job that waits for the second loop, which is blocked on the work here."""
    submitted = Work(blocked(loops[0]))
    with submitted, waiting_for_loop(loops[1], limited=False), Work(blocked(loops[1])):
        assert is_refused(loops[0])
        assert is_refused(loops[1])
        assert not is_refused(loops[2])


def test_a_loop_may_not_block_on_work_that_waits_for_it_through_another_blocked_loop(loops):
    first, second = Work(blocked(loops[0])), Work()
    assert not may_not_block_on(loops[1], second)
    with second, waiting_for_loop(loops[0], limited=False):
        assert not may_not_block_on(loops[1], second)
        with first, waiting_for_loop(loops[1], limited=False), Work():
            assert may_not_block_on(loops[1], second)
            assert not may_not_block_on(loops[2], second)


@pytest.mark.parametrize(("awaits", "limited"), [(False, False), (True, False), (False, True)])
def test_a_loop_is_not_refused_if_a_wait_in_the_chain_is_awaited_or_has_a_timeout(loops, awaits, limited):
    submitted = Work(blocked(loops[0]))
    here = Work(Waiter(loops[1], None, blocked=not awaits))
    with submitted, waiting_for_loop(loops[1], limited=limited):
        with here:
            assert is_refused(loops[0]) is not (awaits or limited)


def test_of_two_loops_that_block_on_jobs_that_wait_for_the_other_loop_the_second_is_refused():
    loops = [asyncio.new_event_loop() for _ in range(2)]

    async def answer() -> str:
        return "answer"

    def block_on_loop(number: int, coro: Coroutine[Any, Any, str]) -> str:
        asyncio.set_event_loop(loops[number])
        return block_on(coro)

    async def block_on_a_job_on_the_first() -> str:
        return executor.submit(block_on_loop, 0, answer()).result()

    async def block_on_a_job_on_the_second() -> str:
        return executor.submit(block_on_loop, 1, block_on_a_job_on_the_first()).result()

    with install("thread"), ContextThreadPoolExecutor(2) as executor, ThreadPoolExecutor(2) as threads:
        for loop in loops:
            threads.submit(loop.run_forever)
        outcome = asyncio.run_coroutine_threadsafe(block_on_a_job_on_the_second(), loops[0])
        error = outcome.exception()  # raised where the second wait begins
        for loop in loops:
            loop.call_soon_threadsafe(loop.stop)
    assert isinstance(error, BlockingError)
    for loop in loops:
        loop.close()


def test_a_thread_whose_work_is_not_known_may_wait_for_any_loop(loops):
    """It is not known which work waits for the thread. Therefore the wait is not recorded."""
    work = Work(blocked(loops[0]))
    with waiting_for_loop(loops[0], limited=False):
        assert deadlock._graph.submitters == {}
        assert not may_not_block_on(loops[0], work)
    with work:
        assert is_refused(loops[0])


def test_several_works_may_wait_for_one_loop_and_each_counts_until_it_ends(loops):
    first, second = Work(), Work()
    with first, waiting_for_loop(loops[0], limited=False):
        with second, waiting_for_loop(loops[0], limited=False):
            assert may_not_block_on(loops[0], first)
            assert may_not_block_on(loops[0], second)
        assert may_not_block_on(loops[0], first)
        assert not may_not_block_on(loops[0], second)
    assert not may_not_block_on(loops[0], first)


@pytest.mark.parametrize("limited", [True, False])
def test_a_wait_with_a_timeout_does_not_count(loops, limited):
    work = Work()
    with work, waiting_for_loop(loops[0], limited=limited):
        assert may_not_block_on(loops[0], work) is not limited
        assert deadlock._graph.submitters == ({} if limited else {loops[0]: [work]})
    assert deadlock._graph.submitters == {}


def test_works_that_wait_for_each_other_in_a_ring_are_visited_once(loops):
    first, second = Work(), Work(blocked(loops[0]))
    with first, blocked_on(second), second, blocked_on(first):
        assert list(deadlock._dependents(first)) == [first, second]
        assert list(deadlock._dependents(second)) == [second, first]
        assert not is_refused(loops[1])
        assert is_refused(loops[0])


def test_no_waiter_is_left_after_the_wait(loops):
    work = Work()
    with blocked_on(work), blocked_on(work):
        assert len(work.waiters) == 2
    assert work.waiters == ()


def test_an_isolated_call_may_block_on_the_loop_that_awaits_it():
    async def answer() -> str:
        return "answer"

    async def main() -> str:
        loop = asyncio.get_running_loop()

        def ask() -> str:
            asyncio.set_event_loop(loop)
            return block_on(answer())

        return await isolate(ask)

    with install("thread"):
        assert asyncio.run(main()) == "answer"


def test_an_isolated_call_may_not_block_on_the_blocked_outer_loop_of_its_caller():
    async def answer() -> str:
        return "answer"

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def ask() -> str:
            asyncio.set_event_loop(loop)
            return block_on(answer())

        with pytest.raises(BlockingError, match="is blocked until the work of this thread ends"):
            block_on(isolate(ask), nested="isolated")

    with install("thread"):
        asyncio.run(main())


def test_a_nested_loop_may_not_block_on_a_job_that_waits_for_the_outer_loop():
    gate = Gate()

    async def never() -> None:
        gate.reached.set()
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def ask() -> None:
            asyncio.set_event_loop(loop)
            block_on(never())

        async def inner() -> None:
            job.result()

        executor = ContextThreadPoolExecutor(1)
        job = executor.submit(ask)
        while not gate.reached.is_set():
            await asyncio.sleep(0)
        with pytest.raises(BlockingError, match="is waited for"):
            block_on(inner(), nested="isolated")
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(asyncio.wrap_future(job), return_exceptions=True)
        executor.shutdown(wait=False)

    with install("thread"):
        asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_knows_nothing_of_the_parents_waits():
    assert (
        run_program(
            "import asyncio, os, threading, warnings\n"
            "from ctxpolicy._bridge.deadlock import Work, waiting_for_loop, blocked_on\n"
            "warnings.simplefilter('ignore', DeprecationWarning)\n"
            "loop, work, begun, end = asyncio.new_event_loop(), Work(), threading.Event(), threading.Event()\n"
            "def wait():\n"
            "    with work, waiting_for_loop(loop, limited=False):\n"
            "        begun.set()\n"
            "        end.wait()\n"
            "async def main():\n"
            "    with blocked_on(work): return 0\n"
            "thread = threading.Thread(target=wait)\n"
            "thread.start()\n"
            "begun.wait()\n"
            "child = os.fork()\n"
            "if not child:\n"
            "    asyncio.set_event_loop(None)\n"
            "    os._exit(len(__import__('ctxpolicy._bridge.deadlock', fromlist=['x'])._graph.submitters))\n"
            "print(os.waitpid(child, 0)[1])\n"
            "end.set(); thread.join(); loop.close()\n"
        )
        == "0"
    )


def test_many_threads_can_record_waits_at_once(loops):
    work = Work()
    barrier = threading.Barrier(4)

    def wait(_: int) -> None:
        barrier.wait(60)
        for _ in range(200):
            with blocked_on(work), Work(blocked(loops[0])), waiting_for_loop(loops[1], limited=False):
                pass

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(wait, range(4)))
    assert work.waiters == ()


def test_waits_are_recorded_and_forgotten_under_a_lock(loops, monkeypatch):
    held: list[bool] = []

    class Submitters(dict[Any, Any]):
        def setdefault(self, *args: Any) -> Any:
            held.append(deadlock._graph.lock.locked())
            return super().setdefault(*args)

        def __delitem__(self, key: Any) -> None:
            held.append(deadlock._graph.lock.locked())
            super().__delitem__(key)

    class Watched(Work):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "waiters":
                held.append(deadlock._graph.lock.locked())
            super().__setattr__(name, value)

    monkeypatch.setattr(deadlock._graph, "submitters", Submitters())
    work = Watched()
    held.clear()
    with blocked_on(work), Work(), waiting_for_loop(loops[0], limited=False):
        assert held == [True, True]
    assert held == [True, True, True, True]
