"""ContextThreadPoolExecutor runs each job in a contextvars context of its own and is otherwise a ThreadPoolExecutor."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from ctxpolicy import BlockingError, ContextThreadPoolExecutor, OptionError, block_on, install
from ctxpolicy._bridge.deadlock import Waiter, Work, blocked_on, waiting_for_loop
from tests._bridge.calls import Gate
from tests.support.programs import run_program

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def executor() -> Iterator[ContextThreadPoolExecutor]:
    with ContextThreadPoolExecutor(1) as executor:
        yield executor


def swap(value: str) -> str:
    previous = variable.get()
    variable.set(value)
    return previous


def test_a_variable_that_one_job_sets_is_not_set_in_the_next(executor):
    assert [executor.submit(swap, "left").result() for _ in range(3)] == ["unset"] * 3


def test_a_job_starts_with_a_copy_of_the_submitters_context(executor):
    variable.set("first")
    first = executor.submit(swap, "left")
    variable.set("second")
    second = executor.submit(swap, "left")
    assert (first.result(), second.result(), variable.get()) == ("first", "second", "second")


def test_a_job_can_start_with_an_empty_context():
    variable.set("here")
    with ContextThreadPoolExecutor(1, context="empty") as executor:
        assert [executor.submit(swap, "left").result() for _ in range(2)] == ["unset"] * 2


def test_an_unknown_value_of_context_is_refused():
    with pytest.raises(OptionError, match="context must be 'copy' or 'empty', not 'none'"):
        ContextThreadPoolExecutor(context="none")  # type: ignore[arg-type]


def test_a_loop_leased_to_one_job_is_closed_at_its_end_and_not_bound_in_the_next(executor):
    with install(missing="create"):
        first = executor.submit(asyncio.get_event_loop).result()
        second = executor.submit(asyncio.get_event_loop).result()
        gc.collect()
        assert first is not second
        del first, second
        gc.collect()


def test_a_loop_that_one_job_binds_is_not_bound_in_the_next(executor):
    def bind() -> None:
        asyncio.set_event_loop(loop)
        assert asyncio.get_event_loop() is loop

    loop = asyncio.new_event_loop()
    with install(missing="error"):
        executor.submit(bind).result()
        with pytest.raises(RuntimeError, match="no current event loop"):
            executor.submit(asyncio.get_event_loop).result()
    loop.close()


def test_everything_else_is_as_in_concurrent_futures():
    ran: list[str] = []
    with ContextThreadPoolExecutor(
        2, thread_name_prefix="named", initializer=ran.append, initargs=("initialized",)
    ) as executor:
        assert isinstance(executor, concurrent.futures.Executor)
        assert list(executor.map(pow, [2, 3], [3, 2])) == [8, 9]
        assert executor.submit(lambda: threading.current_thread().name).result().startswith("named")
        assert executor.submit(dict, fn=1, self=2).result() == {"fn": 1, "self": 2}
        failing = executor.submit(divmod, 1, 0)
        assert isinstance(failing.exception(), ZeroDivisionError)
        with pytest.raises(ZeroDivisionError):
            failing.result()
        done, _ = concurrent.futures.wait([executor.submit(int) for _ in range(5)])
        assert [future.result() for future in done] == [0] * 5
    assert set(ran) == {"initialized"}
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(int)


def test_an_initializer_that_fails_breaks_the_executor():
    executor = ContextThreadPoolExecutor(1, initializer=divmod, initargs=(1, 0))
    with executor, pytest.raises(concurrent.futures.BrokenExecutor):
        executor.submit(int).result()


def test_jobs_that_have_not_begun_can_be_cancelled(executor):
    gate = Gate()
    first = executor.submit(gate.block, "first")
    others = [executor.submit(int) for _ in range(3)]
    assert others[0].cancel()
    executor.shutdown(wait=False, cancel_futures=True)
    gate.opened.set()
    assert first.result() == "first"
    for future in others:
        with pytest.raises(concurrent.futures.CancelledError):
            future.result()


def test_jobs_that_have_not_begun_at_a_shutdown_are_done_unless_they_are_cancelled(executor):
    gate = Gate()
    jobs = [executor.submit(gate.block, "first"), executor.submit(int)]
    executor.shutdown(wait=False)
    gate.opened.set()
    assert [job.result() for job in jobs] == ["first", 0]


def test_a_wait_for_a_result_can_have_a_timeout(executor):
    gate = Gate()
    future = executor.submit(gate.block, "done")
    with pytest.raises(concurrent.futures.TimeoutError):
        future.result(timeout=0)
    with pytest.raises(concurrent.futures.TimeoutError):
        future.exception(timeout=0)
    threading.Thread(target=lambda: (gate.reached.wait(), gate.opened.set())).start()
    assert future.exception() is None
    assert future.result() == future.result(timeout=1) == "done"


def test_the_executor_can_be_the_default_executor_of_a_loop():
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ContextThreadPoolExecutor(1))
        variable.set("here")
        return [await loop.run_in_executor(None, swap, "left"), await asyncio.to_thread(swap, "left")]

    assert asyncio.run(main()) == ["here", "here"]


def test_the_threads_start_in_an_empty_context_even_if_threads_inherit_a_context():
    assert (
        run_program(
            "import contextvars, ctxpolicy, threading\n"
            "variable = contextvars.ContextVar('variable', default='unset')\n"
            "variable.set('submitter')\n"
            "seen = []\n"
            "see = lambda: seen.append(variable.get())\n"
            "with ctxpolicy.ContextThreadPoolExecutor(1, context='empty', initializer=see) as executor:\n"
            "    print(executor.submit(variable.get).result(), *seen)\n",
            flags=("-W", "error", "-X", "thread_inherit_context=1"),
        )
        == "unset unset"
    )


# Waits that would never end.


async def answer() -> str:
    return "answer"


def asking(loop: asyncio.AbstractEventLoop, gate: Gate) -> str:
    """Bind ``loop`` in this thread, and wait until it has run a coroutine."""
    asyncio.set_event_loop(loop)
    gate.block()
    return block_on(answer())


@pytest.mark.parametrize("wait", ["result", "exception", "shutdown", "map"])
def test_a_job_may_not_wait_for_the_loop_that_is_blocked_on_the_job(wait, executor):
    gate = Gate()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 100
        gate.opened.set()
        if wait == "map":
            with pytest.raises(BlockingError, match="would never end"):
                list(executor.map(asking, [loop], [gate]))
            return
        gate.opened.clear()
        job = executor.submit(asking, loop, gate)
        gate.reached.wait()
        threading.Timer(0.01, gate.opened.set).start()
        if wait == "result":
            with pytest.raises(BlockingError, match="made at"):
                job.result()
        else:
            refused_in = executor.shutdown if wait == "shutdown" else job.exception
            try:  # the second wait is refused: that of the job, or this one
                refused_in()
                error = job.exception()
            except BlockingError as refusal:
                error = refusal
            assert isinstance(error, BlockingError)

    with install("thread"):
        asyncio.run(main())


def waiting_forever(loop: asyncio.AbstractEventLoop, forever: asyncio.Event, gate: Gate) -> None:
    async def wait() -> None:
        gate.reached.set()
        await forever.wait()

    asyncio.set_event_loop(loop)
    block_on(wait())


@pytest.mark.parametrize("wait", ["result", "exception", "shutdown"])
def test_a_loop_may_not_block_on_a_job_that_waits_for_the_loop(wait, executor):
    gate = Gate()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        forever = asyncio.Event()
        job = executor.submit(waiting_forever, loop, forever, gate)
        while not gate.reached.is_set():
            assert not job.done(), job.exception()
            await asyncio.sleep(0)
        with pytest.raises(BlockingError, match="is waited for by the work that this thread would wait for"):
            executor.shutdown() if wait == "shutdown" else getattr(job, wait)()
        with pytest.raises(concurrent.futures.TimeoutError):
            job.result(timeout=0)  # a wait with a timeout is allowed
        forever.set()
        await asyncio.wrap_future(job)

    with install("thread"):
        asyncio.run(main())


def test_a_job_that_is_waited_for_through_another_job_is_refused_too():
    gate = Gate()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with ContextThreadPoolExecutor(2) as executor:
            inner = executor.submit(asking, loop, gate)
            gate.reached.wait()
            outer = executor.submit(inner.result)
            threading.Timer(0.01, gate.opened.set).start()
            with pytest.raises(BlockingError):
                outer.result()

    with install("thread"):
        asyncio.run(main())


def test_a_job_that_is_submitted_under_a_blocked_loop_may_wait_for_that_loop(executor):
    gate = Gate()

    async def submit(loop: asyncio.AbstractEventLoop) -> concurrent.futures.Future[str]:
        job = executor.submit(asking, loop, gate)
        gate.opened.set()
        return job

    async def main() -> str:
        job = block_on(submit(asyncio.get_running_loop()), nested="isolated")
        return await asyncio.wrap_future(job)

    with install("thread"):
        assert asyncio.run(main()) == "answer"


def test_the_result_of_a_job_that_is_done_is_never_refused(executor):
    job = executor.submit(int)
    concurrent.futures.wait([job])
    left = Work(Waiter(None, job._job, blocked=False))  # the job has left this work behind when its timeout expired

    async def main() -> None:
        with pytest.raises(BlockingError), blocked_on(job._job):
            pass
        assert job.result() == 0
        assert job.exception() is None

    with closing(asyncio.new_event_loop()) as loop, left, waiting_for_loop(loop, limited=False):
        loop.run_until_complete(main())


def test_an_awaited_job_may_use_the_loop(executor):
    gate = Gate()
    gate.opened.set()

    async def main() -> str:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(executor, asking, loop, gate)

    with install("thread"):
        assert asyncio.run(main()) == "answer"
