"""The loops that a forked child inherits cannot harm the parent."""

import _thread
import asyncio
import os
import selectors
import sys
import textwrap
import threading

import pytest

import ctxpolicy
from ctxpolicy._asyncio import forked_loops
from ctxpolicy._asyncio.loop_internals import detach
from ctxpolicy._loops.creation import creation_site, record_creation
from tests.support.programs import run_program

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")

PARENT = """
    import asyncio, gc, os, sys, threading, ctxpolicy

    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(5):
            child = os.fork()
            if child == 0:
                {child}
            assert os.waitpid(child, 0)[1] == 0
            woken = loop.create_future()
            thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(woken.set_result, None))
            thread.start()
            await asyncio.wait_for(woken, 60)
            thread.join()

    with ctxpolicy.install(missing="create"):
        leased = asyncio.get_event_loop()
        asyncio.run(main())
        print(leased.is_closed())
"""

CHILDREN = {
    "_exit": "os._exit(0)",
    "sys.exit": "sys.exit()",
    "closes the loops": """
                asyncio._set_running_loop(None)
                leased.close()
                loop._thread_id = None
                loop.close()
                os._exit(0)
    """,
    "drops the loops and runs one": """
                asyncio._set_running_loop(None)
                del globals()["leased"]
                gc.collect()
                fresh = asyncio.get_event_loop()
                fresh.run_until_complete(asyncio.sleep(0))
                os._exit(0)
    """,
}


@needs_fork
@pytest.mark.parametrize("child", [name for name in CHILDREN if name != "sys.exit" or sys.version_info < (3, 14)])
def test_the_parent_is_woken_from_other_threads_after_each_fork_whatever_the_child_does(child):
    program = textwrap.dedent(PARENT).format(
        child=textwrap.dedent(CHILDREN[child]).strip().replace("\n", "\n            ")
    )
    assert run_program(program) == "False"


@needs_fork
@pytest.mark.skipif(sys.version_info < (3, 14), reason="up to 3.13 a child can leave the task in which it was forked")
def test_a_child_that_calls_sys_exit_in_a_task_ends_instead_of_waiting_forever():
    program = """
        import asyncio, os, sys, ctxpolicy

        async def main():
            child = os.fork()
            if child == 0:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # asyncio logs that the task was destroyed
                sys.exit(3)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

        with ctxpolicy.install():
            asyncio.run(main())
    """
    assert run_program(textwrap.dedent(program)) in ("1", "3")


@needs_fork
def test_a_loop_that_cannot_be_detached_is_kept_alive_in_the_child(monkeypatch):
    kept = []
    monkeypatch.setattr(forked_loops, "keep_alive", kept.append)
    monkeypatch.setattr(forked_loops, "_held", [object()])
    monkeypatch.setattr(forked_loops, "_running", [None])
    forked_loops._in_child()
    assert len(kept) == 1
    assert forked_loops._held == forked_loops._running == []


def test_a_detached_loop_has_a_selector_and_a_self_pipe_of_its_own_and_runs_on():
    loop = asyncio.SelectorEventLoop()
    previous, ends = loop._selector, (loop._ssock, loop._csock)
    assert detach(loop)
    assert loop._selector is not previous
    assert all(end.fileno() == -1 for end in ends)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert detach(loop), "a closed loop is already harmless"


def test_a_loop_with_a_selector_without_a_kernel_object_is_detached_too():
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    assert detach(loop)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_other_kinds_of_loops_cannot_be_detached():
    assert not detach(object())


def test_a_loop_that_cannot_be_weakly_referenced_is_not_tracked():
    before = len(forked_loops.tracked())
    forked_loops.track(42)
    assert len(forked_loops.tracked()) == before


def test_the_loop_that_runs_in_the_forking_thread_is_held_for_the_child():
    async def main():
        forked_loops._before_fork()
        try:
            return asyncio.get_running_loop() in forked_loops._held
        finally:
            forked_loops._release()

    assert asyncio.run(main())
    forked_loops._before_fork()
    assert forked_loops._running == [None]
    forked_loops._release()


def test_the_creation_site_of_a_loop_is_recorded():
    with ctxpolicy.install():
        loop = asyncio.new_event_loop()
        loop.close()
    assert creation_site(loop).endswith("in test_the_creation_site_of_a_loop_is_recorded")
    assert "test_forked_loops.py:" in creation_site(loop)


def test_a_loop_without_a_recorded_creation_site_comes_from_an_unknown_place():
    done = threading.Event()
    made = []

    class Noting(ctxpolicy.ThreadResolver):
        def new(self):
            made.append(super().new())
            done.set()
            return made[0]

    with ctxpolicy.install(Noting()) as installation:
        _thread.start_new_thread(installation.policy.new_event_loop, ())
        done.wait()
        while not made[0].is_closed():
            made[0].close()
    assert creation_site(made[0]) == "an unknown place"

    class Slotted:
        __slots__ = ("__weakref__",)

    assert creation_site(record_creation(Slotted())) == "an unknown place"
    loop = asyncio.SelectorEventLoop()
    loop.close()
    assert creation_site(loop) == "an unknown place"
