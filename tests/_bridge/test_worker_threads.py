"""The threads of isolate(): how many there are, calls from calls, and their end."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from ctxpolicy import close_isolate_pool, isolate
from ctxpolicy._bridge import worker_threads as pool_module
from tests._bridge.calls import Gate, here, started
from tests.support.policies import in_thread
from tests.support.programs import run_program

# Calls from calls.


async def recur(depth: int) -> int:
    return 0 if depth == 0 else 1 + await isolate(recur, depth - 1)


def recur_in_sync_code(depth: int) -> int:
    return 0 if depth == 0 else 1 + asyncio.run(isolate(recur_in_sync_code, depth - 1))


def recur_in_an_executor(depth: int) -> int:
    async def next_one() -> int:
        return await isolate(lambda: asyncio.run(asyncio.to_thread(recur_in_an_executor, depth - 1)))

    return 0 if depth == 0 else 1 + asyncio.run(next_one())


@pytest.mark.parametrize("recurring", [recur, recur_in_sync_code, recur_in_an_executor])
def test_a_call_from_a_call_never_waits_for_itself(recurring, small_pool):
    assert asyncio.run(isolate(recurring, 12)) == 12
    assert asyncio.run(isolate(recurring, 3)) == 3


def recur_where_nobody_knows(depth: int) -> int:
    """The next call is made in a thread that has nothing of this one's contextvars context."""
    if depth == 0:
        return 0
    with ThreadPoolExecutor(1) as executor:
        next_one = executor.submit(lambda: asyncio.run(isolate(recur_where_nobody_knows, depth - 1)))
        return 1 + next_one.result()


def test_nor_does_one_that_is_not_known_to_be_from_a_call(small_pool, monkeypatch):
    monkeypatch.setattr(pool_module, "_PATIENCE", 0.01)
    assert asyncio.run(isolate(recur_where_nobody_knows, 4)) == 4
    assert asyncio.run(isolate(recur, 3)) == 3
    assert (small_pool._workers, small_pool._waiting, len(small_pool._queue)) == (1, 0, 0)
    assert (small_pool._strangers, small_pool._adopted, small_pool._no_strangers) == ({}, {}, None)


class Looks:
    """In place of the event that ends the look after queued calls: does a step of the test before each look."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = list(steps)

    def wait(self, _: float) -> bool:
        return not self._steps or bool(self._steps.pop(0)())


@pytest.fixture
def stranger(small_pool):
    """A call that may be from an isolated one, queued behind one that waits at a gate."""
    gate = Gate()
    small_pool._no_strangers = threading.Event()  # the test looks itself
    with ThreadPoolExecutor(2) as executor:
        executor.submit(lambda: asyncio.run(isolate(gate.block)))
        gate.reached.wait()
        call = executor.submit(lambda: asyncio.run(isolate(max, 1, 2)))
        while not small_pool._strangers:
            time.sleep(0)
        yield call
        gate.opened.set()
        assert call.result() == 2
    assert (small_pool._waiting, small_pool._adopted, small_pool._no_strangers) == (0, {}, None)


def test_a_call_that_may_be_from_a_call_gets_a_thread_when_none_has_become_free(small_pool, stranger):
    small_pool._adopt_strangers(Looks(lambda: False))
    assert stranger.result() == 2


def test_but_not_while_threads_become_free(small_pool, stranger):
    def take_one() -> None:
        small_pool._taken += 1

    small_pool._adopt_strangers(Looks(take_one, take_one))
    assert len(small_pool._queue) == 1


def test_where_no_thread_can_be_started_it_stays_queued(small_pool, stranger, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(pool_module, "Worker", _cannot_start)
        small_pool._adopt_strangers(Looks(lambda: False))
    assert len(small_pool._queue) == 1
    small_pool._adopt_strangers(Looks(lambda: False))
    assert stranger.result() == 2


def test_and_so_it_does_where_nobody_can_look_after_it_until_a_thread_becomes_free(small_pool):
    gate = Gate()

    async def main() -> None:
        blocking = asyncio.ensure_future(isolate(gate.block))
        await started(blocking, gate.reached)
        queued = asyncio.ensure_future(isolate(max, 1, 2))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading.Thread, "start", _cannot_start)
            await asyncio.sleep(0)
        assert (len(small_pool._strangers), small_pool._no_strangers) == (1, None)
        gate.opened.set()
        assert await queued == 2
        await blocking

    in_thread(asyncio.run, main())


def test_a_call_from_an_adopted_one_gets_a_thread_though_more_than_the_bound_are_at_work(small_pool, stranger):
    small_pool._workers += 1  # as where the wait of a thread has ended, and that of the one in its place has begun
    small_pool._queue[0]._func = lambda *_: 1 + asyncio.run(isolate(max, 0, 1))
    small_pool._adopt_strangers(Looks(lambda: False))
    assert stranger.result() == 2
    small_pool._workers -= 1


def _cannot_start(*_: object) -> None:
    raise RuntimeError("can't start new thread")


def test_nobody_gets_a_thread_who_was_withdrawn_meanwhile(small_pool):
    gate = Gate()

    async def main() -> None:
        blocking = asyncio.ensure_future(isolate(gate.block))
        await started(blocking, gate.reached)
        none_left = small_pool._no_strangers = threading.Event()
        queued = asyncio.ensure_future(isolate(max, 1, 2))
        await asyncio.sleep(0)
        assert len(small_pool._strangers) == 1
        queued.cancel()
        await asyncio.wait([queued])
        assert none_left.is_set()
        small_pool._adopt_strangers(Looks(lambda: False))
        gate.opened.set()
        await blocking

    in_thread(asyncio.run, main())
    assert (small_pool._workers, small_pool._waiting) == (1, 0)


def test_calls_of_the_main_thread_stay_within_the_bound(small_pool):
    gate = Gate()

    async def main() -> None:
        blocking = asyncio.ensure_future(isolate(gate.block))
        await started(blocking, gate.reached)
        queued = asyncio.ensure_future(isolate(max, 1, 2))
        await asyncio.sleep(0)
        assert (len(small_pool._queue), small_pool._strangers, small_pool._no_strangers) == (1, {}, None)
        gate.opened.set()
        await asyncio.gather(blocking, queued)

    asyncio.run(main())


def test_many_calls_from_many_calls_take_few_threads(small_pool):
    alive: list[int] = []

    async def leaf() -> None:
        alive.append(small_pool._workers)

    async def branch() -> None:
        await asyncio.gather(*(isolate(leaf) for _ in range(20)))

    async def main() -> None:
        await asyncio.gather(*(isolate(branch) for _ in range(5)))

    asyncio.run(main())
    assert len(alive) == 100
    assert max(alive) <= 1 + 5  # one works, and each of the five that wait has a thread
    assert (small_pool._workers, small_pool._waiting, len(small_pool._queue)) == (1, 0, 0)


def test_a_cancelled_call_from_a_call_is_forgotten(small_pool):
    async def cancels() -> None:
        blocker = Gate()
        tasks = [asyncio.ensure_future(isolate(function)) for function in (blocker.block, here, here, here)]
        await started(tasks[0], blocker.reached)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.wait(tasks[1:])
        blocker.opened.set()
        await tasks[0]

    asyncio.run(isolate(cancels))
    assert (small_pool._workers, small_pool._waiting, len(small_pool._queue)) == (1, 0, 0)


def test_a_thread_that_cannot_be_started_is_an_error_and_the_pool_goes_on(small_pool, monkeypatch):
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def outer() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await isolate(here)
        assert await isolate(max, 1, 2) == 2

    asyncio.run(isolate(outer))
    assert (small_pool._workers, small_pool._waiting, len(small_pool._queue)) == (1, 0, 0)


# The end of the pool.


def test_the_pool_ends_on_request_and_begins_anew():
    async def main() -> set[int]:
        before = threading.active_count()
        await asyncio.gather(*(isolate(here) for _ in range(5)))
        close_isolate_pool()
        assert threading.active_count() <= before
        assert await isolate(max, 1, 2) == 2

    asyncio.run(main())


def test_a_busy_thread_ends_when_it_is_done(small_pool):
    gate = Gate()

    async def main() -> None:
        task = asyncio.ensure_future(isolate(gate.block, threading.current_thread))
        await started(task, gate.reached)
        queued = asyncio.ensure_future(isolate(threading.current_thread))
        await asyncio.sleep(0)
        small_pool.close()
        assert not task.done()
        gate.opened.set()
        await task
        thread = await queued  # what was queued is run all the same
        thread.join()
        assert small_pool._workers == 0

    asyncio.run(main())


@pytest.mark.parametrize("how", ["while True: time.sleep(100)", "while True: pass"])
def test_a_function_that_never_ends_does_not_keep_the_interpreter_from_its_exit(how):
    assert (
        run_program(
            "import asyncio, ctxpolicy, time, threading\n"
            "begun = threading.Event()\n"
            f"def never_ends():\n    begun.set()\n    {how}\n"
            "async def main():\n"
            "    try: await ctxpolicy.isolate(never_ends, timeout=0.1)\n"
            "    except asyncio.TimeoutError: print('given up')\n"
            "asyncio.run(main())\n"
            "begun.wait(0)\n"
        )
        == "given up"
    )


def test_the_pool_ends_at_exit_without_a_word():
    assert (
        run_program(
            "import asyncio, ctxpolicy, threading\n"
            "async def main():\n"
            "    await asyncio.gather(*(ctxpolicy.isolate(asyncio.sleep, 0.001) for _ in range(5)))\n"
            "    await ctxpolicy.isolate(asyncio.sleep, 0, loop_factory='selector')\n"
            "asyncio.run(main())\n"
            "print(threading.active_count() > 1)\n"
        )
        == "True"
    )


def test_a_caller_whose_loop_is_closed_meanwhile_does_no_harm():
    gate = Gate()
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)  # is told of the pending task
    task = loop.create_task(isolate(gate.block))
    loop.run_until_complete(asyncio.wait({task}, timeout=0))
    loop.close()
    gate.opened.set()
    del task
    close_isolate_pool()
    assert asyncio.run(isolate(max, 1, 2)) == 2


# Fork.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)"])
def test_a_forked_child_has_a_pool_of_its_own_and_the_parents_goes_on(end):
    assert (
        run_program(
            "import asyncio, ctxpolicy, gc, os, sys, warnings\n"
            "warnings.simplefilter('ignore', DeprecationWarning)  # of forks with threads\n"
            "async def main():\n"
            "    await asyncio.gather(*(ctxpolicy.isolate(asyncio.sleep, 0) for _ in range(3)))\n"
            "asyncio.run(main())\n"
            "for _ in range(3):\n"
            "    child = os.fork()\n"
            "    if not child:\n"
            "        gc.collect()\n"
            "        asyncio.run(main())\n"
            f"        {end}\n"
            "    asyncio.run(main())\n"
            "    print(os.waitpid(child, 0)[1], end=' ')\n"
        )
        == "0 0 0"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)", "pass"])
def test_a_child_forked_in_an_isolated_call_ends_with_the_call_and_wakes_nobody(end):
    assert (
        run_program(
            "import asyncio, ctxpolicy, os, sys, warnings\n"
            "warnings.simplefilter('ignore', DeprecationWarning)\n"
            "def fork():\n"
            "    child = os.fork()\n"
            "    if not child:\n"
            "        asyncio.run(ctxpolicy.isolate(asyncio.sleep, 0))\n"
            f"        {end}\n"
            "    return child and os.waitpid(child, 0)[1]\n"
            "async def main():\n"
            "    for _ in range(3): print(await ctxpolicy.isolate(fork), end=' ')\n"
            "asyncio.run(main())\n"
        )
        == "0 0 0"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.parametrize(
    ("end", "status", "printed"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit('words')", 1, "words"),
        ("sys.exit(None)", 0, ""),
        ("return", 0, ""),
        ("divmod(1, 0)", 1, "ZeroDivisionError"),
        ("sys.stdout.close()", 0, ""),
    ],
)
def test_a_child_forked_in_an_isolated_call_ends_as_a_process_does(end, status, printed):
    lines = run_program(
        "import asyncio, atexit, ctxpolicy, os, sys, threading, warnings\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "def work():\n"
        "    os.dup2(1, 2)\n"
        "    timer = threading.Timer(0.01, os.write, [1, b'-timer-\\n'])\n"
        "    timer.daemon = False\n"
        "    timer.start()\n"
        "    atexit.register(os.write, 1, b'exit\\n')\n"
        f"    {end}\n"
        "def fork():\n"
        "    child = os.fork()\n"
        "    if not child: work()\n"
        "    return child and os.waitpid(child, 0)[1] >> 8\n"
        "print('status', asyncio.run(ctxpolicy.isolate(fork)))\n"
    ).splitlines()
    assert "".join(lines).count("-timer-") == 1  # before, after or amid what else is printed, in parts
    assert lines[-2:] == ["exit", f"status {status}"]
    assert printed in "".join(lines)
