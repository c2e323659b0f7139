"""The threads of isolate(): calls from calls, the cache of idle threads, and the end of the threads."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from ctxpolicy import block_on, close_isolate_pool, isolate
from ctxpolicy._bridge import worker_threads
from ctxpolicy._bridge.worker_threads import ThreadCache, Worker
from ctxpolicy._loops.pool import loop_pool
from tests._bridge.calls import Gate, here, started
from tests.support.programs import environment, run_program

# Calls from calls.


async def recur(depth: int) -> int:
    return 0 if depth == 0 else 1 + await isolate(recur, depth - 1)


def recur_in_sync_code(depth: int) -> int:
    return 0 if depth == 0 else 1 + asyncio.run(isolate(recur_in_sync_code, depth - 1))


def recur_in_an_executor(depth: int) -> int:
    async def next_one() -> int:
        return await isolate(lambda: asyncio.run(asyncio.to_thread(recur_in_an_executor, depth - 1)))

    return 0 if depth == 0 else 1 + asyncio.run(next_one())


async def recur_in_an_executor_of_the_loop(depth: int) -> int:
    """The next call is made in a thread that has no copy of this thread's contextvars context."""
    if depth == 0:
        return 0
    loop = asyncio.get_running_loop()
    return 1 + await loop.run_in_executor(
        None, lambda: asyncio.run(isolate(recur_in_an_executor_of_the_loop, depth - 1))
    )


def recur_in_a_plain_thread(depth: int) -> int:
    if depth == 0:
        return 0
    with ThreadPoolExecutor(1) as executor:
        next_one = executor.submit(lambda: asyncio.run(isolate(recur_in_a_plain_thread, depth - 1)))
        return 1 + next_one.result()


def recur_by_block_on(depth: int) -> int:
    return 0 if depth == 0 else 1 + block_on(isolate(recur_by_block_on, depth - 1))


async def recur_by_nested_block_on(depth: int) -> int:
    if depth == 0:
        return 0
    return 1 + block_on(isolate(recur_by_nested_block_on, depth - 1), nested="isolated")


RECURRING = [
    recur,
    recur_in_sync_code,
    recur_in_an_executor,
    recur_in_an_executor_of_the_loop,
    recur_in_a_plain_thread,
    recur_by_block_on,
    recur_by_nested_block_on,
]


@pytest.mark.parametrize("recurring", RECURRING)
def test_a_call_from_a_call_never_waits_for_itself(recurring, threads: ThreadCache):
    assert asyncio.run(isolate(recurring, 40)) == 40  # more calls than asyncio's default executor has threads
    assert asyncio.run(isolate(recurring, 3)) == 3


def test_calls_that_all_wait_for_each_other_all_run_at_once(threads: ThreadCache):
    barrier = threading.Barrier(50)

    async def main() -> None:
        await asyncio.gather(*(isolate(barrier.wait) for _ in range(50)))

    asyncio.run(main())


def test_a_semaphore_limits_how_many_run_at_once(threads: ThreadCache):
    counts: list[int] = []

    async def counted() -> None:
        counts.append(1)
        counts.append(-1)

    async def main() -> None:
        semaphore = asyncio.Semaphore(2)

        async def limited() -> None:
            async with semaphore:
                await isolate(counted)

        await asyncio.gather(*(limited() for _ in range(20)))

    asyncio.run(main())
    assert len(counts) == 40
    assert max(sum(counts[:end]) for end in range(40)) <= 2
    assert len(threads._idle) <= 2


# The cache.


def test_calls_one_after_the_other_use_one_thread(threads: ThreadCache):
    async def main() -> set[int]:
        return {await isolate(threading.get_ident) for _ in range(20)}

    assert len(asyncio.run(main())) == 1
    assert len(threads._idle) == 1


def test_the_idle_thread_that_was_used_last_is_taken_first(threads: ThreadCache):
    gates = [Gate(), Gate()]

    async def main() -> None:
        tasks = [asyncio.ensure_future(isolate(gate.block)) for gate in gates]
        for task, gate in zip(tasks, gates):
            await started(task, gate.reached)
        for task, gate in zip(tasks, gates):
            gate.opened.set()
            await task
        last = list(threads._idle)[-1]
        assert await isolate(threading.current_thread) is last.thread

    asyncio.run(main())
    assert len(threads._idle) == 2


def test_an_idle_thread_ends_after_a_while(threads: ThreadCache, monkeypatch):
    monkeypatch.setattr(worker_threads, "_IDLE_SECONDS", 0.001)
    asyncio.run(isolate(here))
    thread = asyncio.run(isolate(threading.current_thread))
    thread.join()
    assert not threads._idle
    assert asyncio.run(isolate(threading.current_thread)) is not thread


def test_a_thread_that_is_taken_when_its_idle_time_expires_does_its_job_first(threads: ThreadCache, monkeypatch):
    """The thread has been idle long enough to end, but a caller has just taken it and is about to give it a job."""
    monkeypatch.setattr(worker_threads, "_IDLE_SECONDS", 0.001)
    done_by: list[threading.Thread] = []
    remove = threads.remove

    def taken(worker: Worker) -> bool:
        if worker not in threads._idle:  # it is still waiting for its first job
            return remove(worker)
        del threads.remove  # type: ignore[method-assign]  # the attribute of the instance
        threads.submit(Recorded(lambda: done_by.append(threading.current_thread())))
        return remove(worker)

    threads.remove = taken  # type: ignore[method-assign]
    thread = asyncio.run(isolate(threading.current_thread))
    thread.join()
    assert done_by == [thread]


class Recorded:
    """A job that calls a function."""

    def __init__(self, function) -> None:
        self.run = function

    def finish(self) -> None:
        pass


def test_an_idle_thread_keeps_nothing_of_its_last_call_alive(threads: ThreadCache):
    class Kept:
        pass

    variable: contextvars.ContextVar[Kept] = contextvars.ContextVar("variable")

    async def main() -> list[weakref.ref[Kept]]:
        argument, value = Kept(), Kept()
        variable.set(value)
        await isolate(lambda _: None, argument)
        return [weakref.ref(argument), weakref.ref(value)]

    kept = contextvars.Context().run(asyncio.run, main())
    while any(reference() for reference in kept):  # until the thread is back in its wait
        gc.collect()
    assert len(threads._idle) == 1


def test_a_thread_starts_in_an_empty_contextvars_context(threads: ThreadCache):
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    seen: list[str] = []

    class Job(Recorded):
        def finish(self) -> None:
            seen.append(variable.get())

    def submit() -> None:
        variable.set("the caller's")
        threads.submit(Job(lambda: None))

    contextvars.copy_context().run(submit)
    close_and_join(threads)
    assert seen == ["none"]


def close_and_join(threads: ThreadCache) -> None:
    """End the threads of the cache, those included that are still busy."""
    busy = [thread for thread in threading.enumerate() if thread.name == "ctxpolicy-isolate"]
    threads.close()
    for thread in busy:
        thread.join()


def test_a_thread_that_cannot_be_started_is_an_error_in_the_caller_and_later_calls_work(threads: ThreadCache):
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def outer() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await isolate(here)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await isolate(here, timeout=100)
        assert await isolate(max, 1, 2) == 2

    asyncio.run(isolate(outer))
    assert len(threads._idle) == 2


def test_a_cancelled_call_from_a_call_is_forgotten(threads: ThreadCache):
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
    assert len(threads._idle) <= 5


# The end of the threads.


def test_the_threads_end_on_request_and_later_calls_start_new_ones():
    async def main() -> set[int]:
        before = threading.active_count()
        await asyncio.gather(*(isolate(here) for _ in range(5)))
        close_isolate_pool()
        assert threading.active_count() <= before
        assert await isolate(max, 1, 2) == 2

    asyncio.run(main())


def test_a_busy_thread_ends_when_it_is_done(threads: ThreadCache):
    gate = Gate()

    def block() -> threading.Thread:
        gate.block()
        return threading.current_thread()

    async def main() -> None:
        task = asyncio.ensure_future(isolate(block))
        await started(task, gate.reached)
        threads.close()
        assert not task.done()
        gate.opened.set()
        (await task).join()
        assert not threads._idle

    asyncio.run(main())


def test_a_thread_that_is_taken_while_it_must_end_does_its_job_first(threads: ThreadCache):
    """A caller takes the thread after the cache was closed, but before the thread detects that it must end."""
    done_by: list[threading.Thread] = []
    remove = threads.remove

    def taken(worker: Worker) -> bool:
        del threads.remove  # type: ignore[method-assign]  # the attribute of the instance
        threads.submit(Recorded(lambda: done_by.append(threading.current_thread())))
        return remove(worker)

    def close_and_return() -> threading.Thread:
        threads.close()
        threads.remove = taken  # type: ignore[method-assign]
        return threading.current_thread()

    thread = asyncio.run(isolate(close_and_return))
    thread.join()
    assert done_by == [thread]


def test_closing_closes_the_loops_that_are_kept_for_reuse():
    async def main() -> None:
        await isolate(here)
        await isolate(asyncio.sleep, 0)

    asyncio.run(main())
    close_isolate_pool()
    assert loop_pool._kept == []


@pytest.mark.parametrize("how", ["while True: time.sleep(100)", "while True: pass"])
def test_a_function_that_never_ends_does_not_prevent_interpreter_exit(how):
    assert (
        run_program(
            "import asyncio, ctxpolicy, time, threading\n"
            "begun = threading.Event()\n"
            f"def never_ends():\n    begun.set()\n    {how}\n"
            "async def main():\n"
            "    while not begun.is_set():  # on a busy machine the timeout may expire before the call begins\n"
            "        try: await ctxpolicy.isolate(never_ends, timeout=0.1)\n"
            "        except asyncio.TimeoutError: pass\n"
            "asyncio.run(main())\n"
            "print('given up')\n"
        )
        == "given up"
    )


def test_the_threads_end_at_exit_without_any_output():
    assert (
        run_program(
            "import atexit\n"
            "atexit.register(lambda: print(len(thread_cache._idle)))  # called last, because it is registered first\n"
            "import asyncio, ctxpolicy, threading\n"
            "from ctxpolicy._bridge.worker_threads import thread_cache\n"
            "async def main():\n"
            "    await asyncio.gather(*(ctxpolicy.isolate(asyncio.sleep, 0.001) for _ in range(5)))\n"
            "    await ctxpolicy.isolate(asyncio.sleep, 0, loop_factory='selector')\n"
            "asyncio.run(main())\n"
            "print(threading.active_count() > 1, len(thread_cache._idle) > 0)\n"
        )
        == "True True\n0"
    )


def test_a_caller_whose_loop_is_closed_during_the_call_does_no_harm():
    gate = Gate()
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)  # called because of the pending task
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
def test_a_forked_child_has_threads_of_its_own_and_the_parents_threads_keep_working(end):
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
def test_a_child_forked_in_an_isolated_call_ends_with_the_call_and_wakes_no_caller(end):
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
        ("sys.excepthook = None; divmod(1, 0)", 1, "ZeroDivisionError"),
        ("sys.excepthook = None; divmod(1, 0)", 1, "'NoneType' object is not callable"),
        ("sys.stdout.close()", 0, ""),
        ("sys.stdout.write('words\\n')", 0, "words"),
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
        "print('status', asyncio.run(ctxpolicy.isolate(fork)))\n",
        env=environment(PYTHONUNBUFFERED=""),  # the end of the child flushes what it has written
    ).splitlines()
    assert "".join(lines).count("-timer-") == 1  # before, after or in the middle of the other output
    others = [line for line in lines if line != "words"]  # the words are flushed after the exit functions
    assert others[-2:] == ["exit", f"status {status}"]
    assert printed in "".join(lines)
