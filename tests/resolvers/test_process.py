"""A context is the process."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

from ctxpolicy import ContextPolicy, ProcessResolver
from ctxpolicy.testing import StandInLoop, in_new_thread
from tests.resolvers.races import loops_of_threads


def test_the_context_is_named_by_the_process():
    assert ProcessResolver().describe() == f"process {os.getpid()}"


def test_the_context_is_not_thread_exclusive():
    assert ProcessResolver().bindings.is_thread_exclusive() is False


def test_a_loop_set_in_one_thread_is_current_in_all_threads():
    resolver, loop = ProcessResolver(), StandInLoop()
    in_new_thread(lambda: resolver.set(loop))
    assert resolver.get() is loop
    assert in_new_thread(resolver.get) is loop
    resolver.set(None)
    assert in_new_thread(resolver.get) is None


def test_threads_that_need_a_loop_at_once_lease_one_together():
    policy = ContextPolicy(ProcessResolver(), missing="create")
    assert len(loops_of_threads(policy)) == 1
    policy.resolver.bindings.clear()


def test_one_thread_runs_the_loop_and_the_others_reach_it():
    policy = ContextPolicy(ProcessResolver(), missing="create")
    loop = policy.get_event_loop()

    async def answer():
        return threading.get_ident()

    def ask():
        return asyncio.run_coroutine_threadsafe(answer(), policy.get_event_loop()).result()

    with ThreadPoolExecutor(1) as other:
        assert loop.run_until_complete(loop.run_in_executor(other, ask)) == threading.get_ident()
    policy.resolver.bindings.clear()


def test_a_forked_child_gets_a_lock_of_its_own():
    resolver = ProcessResolver()
    resolver._locks.lease.acquire()
    try:
        resolver._locks.after_fork()
        in_new_thread(lambda: resolver.bindings.lease(StandInLoop))
    finally:
        resolver.bindings.clear()
