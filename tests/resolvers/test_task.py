"""A context is an asyncio task, or the thread if no task runs."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

from ctxpolicy import ContextPolicy, TaskResolver
from ctxpolicy.testing import StandInLoop, in_new_thread


def collect() -> None:
    for _ in range(4):  # PyPy
        gc.collect()


def test_the_context_is_named_by_the_task_or_the_thread():
    resolver, thread = TaskResolver(), threading.current_thread().name

    async def main():
        asyncio.current_task().set_name("main task")
        return resolver.describe()

    assert asyncio.run(main()) == f"task 'main task' in thread {thread!r}"
    assert resolver.describe() == f"thread {thread!r}, outside any task"


def test_it_applies_in_tasks_only():
    resolver = TaskResolver()

    async def main():
        outside = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: outside.set_result(resolver.applies()))
        return resolver.applies(), await outside, await asyncio.to_thread(resolver.applies)

    assert asyncio.run(main()) == (True, False, False)
    assert resolver.applies() is False


def test_tasks_and_their_thread_each_have_a_loop_of_their_own():
    resolver, threads, mine, childs = TaskResolver(), StandInLoop(), StandInLoop(), StandInLoop()
    resolver.set(threads)

    async def child():
        before = resolver.get()
        resolver.set(childs)
        await asyncio.sleep(0)
        return before, resolver.get()

    async def main():
        before = resolver.get()
        resolver.set(mine)
        of_child = await asyncio.create_task(child())
        return before, of_child, resolver.get()

    assert asyncio.run(main()) == (None, (None, childs), mine)
    assert resolver.get() is threads
    assert in_new_thread(resolver.get) is None


def test_a_binding_ends_with_its_task_although_the_task_object_is_kept():
    resolver, gone = TaskResolver(), []

    async def child():
        loop = StandInLoop()
        resolver.set(loop)
        resolver.set(loop)
        gone.append(weakref.ref(loop))

    async def main():
        task = asyncio.create_task(child())
        await task
        await asyncio.sleep(0)  # done callbacks
        collect()
        return task

    task = asyncio.run(main())
    assert task.done()
    assert gone[0]() is None


def test_a_lease_ends_with_its_task():
    policy, loops = ContextPolicy(TaskResolver(), missing="create"), []

    async def child():
        loops.append(policy.get_event_loop())

    async def main():
        await asyncio.create_task(child())
        await asyncio.sleep(0)
        collect()
        return loops[0].is_closed()

    assert asyncio.run(main()) is True


def test_two_resolvers_have_nothing_in_common():
    first, second, loop = TaskResolver(), TaskResolver(), StandInLoop()

    async def main():
        first.set(loop)
        return first.get(), second.get()

    assert asyncio.run(main()) == (loop, None)
