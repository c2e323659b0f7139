"""A context is a thread."""

from __future__ import annotations

import asyncio
import gc
import threading

from ctxpolicy import ContextPolicy, ThreadResolver
from ctxpolicy.testing import StandInLoop, in_new_thread, thread_context


def test_the_context_is_named_by_its_thread():
    resolver = ThreadResolver()
    assert resolver.describe() == f"thread {threading.current_thread().name!r}"


def test_each_thread_has_a_loop_of_its_own_and_two_resolvers_have_nothing_in_common():
    resolver, other = ThreadResolver(), ThreadResolver()
    loop = StandInLoop()
    resolver.set(loop)
    assert in_new_thread(resolver.get) is None
    assert other.get() is None
    assert resolver.get() is loop


def test_a_worker_keeps_its_loop_from_job_to_job():
    resolver, loop = ThreadResolver(), StandInLoop()
    with thread_context() as run:
        run(lambda: resolver.set(loop))
        assert run(resolver.get) is loop


def test_a_lease_ends_with_its_thread():
    policy = ContextPolicy(ThreadResolver(), missing="create")
    with thread_context() as run:
        loop = run(policy.get_event_loop)
        assert not loop.is_closed()
    for _ in range(4):  # PyPy
        gc.collect()
    assert loop.is_closed()


def test_a_finalizer_at_a_threads_end_makes_no_dummy_thread():
    """The finalizer runs after the thread is deregistered; current_thread() then makes a dummy one (3.10 to 3.13)."""
    policy = ContextPolicy(ThreadResolver(), missing="create")
    before = set(threading.enumerate())
    loop = in_new_thread(lambda: asyncio_run_and_lease(policy))
    for _ in range(4):
        gc.collect()
    assert loop.is_closed()
    assert set(threading.enumerate()) <= before


def asyncio_run_and_lease(policy):
    loop = policy.get_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    return loop
