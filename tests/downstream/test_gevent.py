"""gevent, which turns threads into greenlets: the contexts that exist then, and their loops, which run side by side."""

from __future__ import annotations

import pytest

from tests.support.programs import run_program

pytest.importorskip("gevent", reason="needs the package gevent, which is not installed")

FIRST = "from gevent import monkey; monkey.patch_all()"
LATE = f"import asyncio; from ctxpolicy import ContextPolicy, GreenletResolver, KeyedResolver, ThreadResolver; {FIRST}"

LOOPS = """
import asyncio, sys
import gevent
import ctxpolicy

RESOLVERS = {
    "thread": ctxpolicy.ThreadResolver,
    "task": ctxpolicy.TaskResolver,
    "keyed": lambda: ctxpolicy.KeyedResolver(lambda: None),
    "contextvar": ctxpolicy.ContextVarResolver,
    "greenlet": ctxpolicy.GreenletResolver,
    "process": ctxpolicy.ProcessResolver,
}

def job():
    loop = asyncio.get_event_loop()
    gevent.sleep(0)
    assert asyncio.get_event_loop() is loop
    return loop

with ctxpolicy.install(RESOLVERS[sys.argv[1]](), missing="create"):
    jobs = [gevent.spawn(job) for _ in range(3)]
    gevent.joinall(jobs, raise_error=True)
    print(len({each.value for each in jobs}))
"""


@pytest.mark.parametrize(
    ("resolver", "loops"),
    [("thread", 3), ("task", 3), ("keyed", 3), ("contextvar", 3), ("greenlet", 3), ("process", 1)],
)
def test_each_greenlet_has_a_loop_of_its_own_if_gevent_patches_first(resolver: str, loops: int) -> None:
    assert run_program(FIRST + LOOPS, resolver, flags=()) == str(loops)


@pytest.mark.parametrize(("resolver", "loops"), [("thread", 1), ("keyed", 1), ("contextvar", 3), ("greenlet", 3)])
def test_greenlets_share_the_loop_of_a_thread_if_gevent_patches_late(resolver: str, loops: int) -> None:
    assert run_program(LATE + LOOPS, resolver, flags=()) == str(loops)


ISOLATED = """
import asyncio
import ctxpolicy

async def answer():
    await asyncio.sleep(0)
    return 42

async def main():
    return await ctxpolicy.isolate(answer), await asyncio.to_thread(asyncio.run, answer())

with ctxpolicy.install(ctxpolicy.GreenletResolver(running=True)):
    print(*asyncio.run(main()))
"""


LATER = f"import asyncio; from ctxpolicy import GreenletResolver, isolate; {FIRST}"


@pytest.mark.parametrize("patch", [FIRST, LATE, LATER], ids=["first", "late", "after isolate was imported"])
def test_threads_that_are_greenlets_run_loops_if_the_running_loop_is_kept_per_greenlet(patch: str) -> None:
    assert run_program(patch + ISOLATED, flags=()) == "42 42"
