"""block_on() in a thread in which a loop runs: it is refused, or it runs the coroutine on a fresh loop."""

import asyncio
import contextlib
import sys
import textwrap

import pytest

import ctxpolicy
from ctxpolicy import BlockingError, ForeignFutureError, block_on
from ctxpolicy._asyncio.capabilities import PolicyBase
from tests.support.policies import collect_garbage, in_force
from tests.support.programs import run_program


async def where():
    await asyncio.sleep(0)
    return asyncio.get_running_loop()


async def busy():
    assert asyncio.current_task() is not None
    if sys.version_info >= (3, 11):
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            task = group.create_task(asyncio.sleep(0, "done"))
        return task.result()
    return await asyncio.wait_for(asyncio.sleep(0, "done"), 60)


def test_without_nested_the_call_is_refused_with_advice():
    async def main():
        with pytest.raises(BlockingError, match="await asyncio.to_thread"):
            block_on(where())

    asyncio.run(main())
    collect_garbage()


def test_isolated_runs_on_a_fresh_loop_and_then_the_running_loop_continues(outer_factory):
    async def main():
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        inner = block_on(where(), nested="isolated")
        assert block_on(busy(), nested="isolated") == "done"
        assert inner is not loop
        assert inner.is_closed()
        assert asyncio.get_running_loop() is loop
        assert asyncio.current_task() is task
        return await busy()

    assert ctxpolicy.run(main(), loop_factory=outer_factory) == "done"


def test_ready_callbacks_run_at_the_end_of_an_isolated_run():
    log = []

    async def leave_a_callback():
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, log.append, "called")

    async def main():
        block_on(leave_a_callback(), nested="isolated")
        assert log == ["called"]

    asyncio.run(main())


def test_isolated_works_in_a_callback_where_no_task_runs():
    async def main():
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        loop.call_soon(lambda: answer.set_result(block_on(busy(), nested="isolated")))
        return await answer

    assert asyncio.run(main()) == "done"


def test_isolated_makes_the_kind_of_loop_that_the_policy_makes():
    class Loop(asyncio.SelectorEventLoop):
        pass

    async def main():
        return type(block_on(where(), nested="isolated"))

    with ctxpolicy.install(loop_factory=Loop):
        assert asyncio.run(main()) is Loop


def test_isolated_makes_the_kind_of_loop_that_a_policy_of_another_package_makes():
    class Loop(asyncio.SelectorEventLoop):
        pass

    class Policy(PolicyBase):
        def new_event_loop(self):
            return Loop()

    async def main():
        return type(block_on(where(), nested="isolated"))

    with in_force(Policy()), contextlib.closing(asyncio.SelectorEventLoop()) as loop:
        assert loop.run_until_complete(main()) is Loop


def test_isolated_runs_can_be_nested():
    async def nest(depth):
        return depth if depth == 0 else block_on(nest(depth - 1), nested="isolated") + 1

    assert asyncio.run(nest(5)) == 5


def test_isolated_shuts_down_what_the_coroutine_leaves():
    log = []

    async def left():
        try:
            await asyncio.Event().wait()
        finally:
            log.append("cancelled")

    async def leave():
        asyncio.get_running_loop().left = asyncio.create_task(left())
        await asyncio.sleep(0)

    async def main():
        block_on(leave(), nested="isolated")
        return list(log)

    assert asyncio.run(main()) == ["cancelled"]


def test_isolated_has_a_timeout():
    async def main():
        with pytest.raises(asyncio.TimeoutError):
            block_on(asyncio.Event().wait(), nested="isolated", timeout=0.01)

    asyncio.run(main())


@pytest.mark.parametrize("way", ["await", "wait_for"])
def test_a_future_of_the_running_loop_gets_an_error_that_names_both_loops(way):
    async def main():
        future = asyncio.get_running_loop().create_future()

        async def wait():
            await (future if way == "await" else asyncio.wait_for(future, 1))

        with pytest.raises(ForeignFutureError, match=r"made at .*test_run_nested.py:\d+ in main") as caught:
            block_on(wait(), nested="isolated")
        assert str(caught.value).count("made at") == 2

    asyncio.run(main())


async def wait_for_lock():
    lock = asyncio.Lock()
    await lock.acquire()
    return lock.acquire


async def wait_for_event():
    return asyncio.Event().wait


async def wait_for_queue():
    return asyncio.Queue().get


@pytest.mark.parametrize("make", [wait_for_lock, wait_for_event, wait_for_queue])
def test_a_lock_event_or_queue_that_the_running_loop_uses_raises_foreign_future_error_too(make):
    async def main():
        wait = await make()
        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        with pytest.raises(ForeignFutureError, match=r"bound to a different event loop .*made at .*made at"):
            block_on(wait(), nested="isolated")
        waiting.cancel()

    asyncio.run(main())


async def wait_for_task():
    task = asyncio.current_task()
    return lambda: asyncio.wait({task})


@pytest.mark.parametrize("make", [wait_for_lock, wait_for_event, wait_for_queue, wait_for_task])
def test_the_wait_for_an_unused_lock_event_or_queue_or_for_a_task_ends_only_with_the_timeout(make):
    """An unused lock, event or queue has no loop, and from 3.11 on asyncio.wait() does not check the loop of tasks."""

    async def main():
        wait = await make()
        noticed = make is wait_for_task and sys.version_info < (3, 11)
        with pytest.raises(ForeignFutureError if noticed else asyncio.TimeoutError):
            block_on(wait(), nested="isolated", timeout=0.01)

    asyncio.run(main())


@pytest.mark.parametrize("error", [RuntimeError, ValueError])
def test_other_errors_are_raised_unchanged(error):
    async def fail():
        raise error("mine")

    async def main():
        with pytest.raises(error, match="^mine$") as caught:
            block_on(fail(), nested="isolated")
        assert type(caught.value) is error

    asyncio.run(main())


def test_the_signal_wakeup_fd_of_the_running_loop_is_kept_when_a_uvloop_runs_nested_in_it():
    pytest.importorskip("uvloop", reason="uvloop is not installed")
    program = """
        import asyncio, os, signal, ctxpolicy

        async def main():
            loop, caught = asyncio.get_running_loop(), asyncio.Event()
            loop.add_signal_handler(signal.SIGUSR1, caught.set)
            ctxpolicy.block_on(asyncio.sleep(0), nested="isolated")
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.wait_for(caught.wait(), 60)
            print("caught")

        with ctxpolicy.install(loop_factory="uvloop"):
            ctxpolicy.run(main(), loop_factory="asyncio")
    """
    assert run_program(textwrap.dedent(program)) == "caught"
