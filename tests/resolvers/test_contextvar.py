"""A context is a contextvars context, and a new one inherits."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ctxpolicy import ContextPolicy, ContextVarResolver, NoCurrentLoopError, OptionError
from ctxpolicy.testing import StandInLoop, in_new_thread
from tests.support.programs import run_program


def collect() -> None:
    for _ in range(4):  # PyPy
        gc.collect()


@pytest.fixture
def resolver():
    return ContextVarResolver()


@pytest.fixture
def loop():
    return StandInLoop("the loop")


def test_an_unknown_value_of_inherit_is_refused():
    with pytest.raises(OptionError, match="must be 'same-thread' or 'any-thread', not 'all'"):
        ContextVarResolver(inherit="all")


def test_the_context_is_named_by_its_thread_and_task(resolver):
    thread = threading.current_thread().name
    assert resolver.describe() == f"the contextvars context in thread {thread!r}"

    async def main():
        asyncio.current_task().set_name("main task")
        return resolver.describe()

    assert asyncio.run(main()) == f"the contextvars context of task 'main task' in thread {thread!r}"


def test_a_loop_in_a_context_copied_to_another_thread_is_hidden_and_the_error_mentions_it(resolver, loop):
    """asyncio.to_thread() copies the contextvars context, not the running loop."""
    policy = ContextPolicy(resolver, missing="error")

    async def main():
        resolver.set(loop)
        with pytest.raises(NoCurrentLoopError, match=r"of its own: the loop was bound in thread '.*'"):
            await asyncio.to_thread(policy.get_event_loop)
        return await asyncio.to_thread(resolver.binding)

    assert asyncio.run(main()).loop is loop


def test_with_any_thread_the_loop_is_handed_out_in_the_other_thread(loop):
    resolver = ContextVarResolver(inherit="any-thread")
    policy = ContextPolicy(resolver, missing="error")

    async def main():
        resolver.set(loop)
        return await asyncio.to_thread(policy.get_event_loop)

    assert asyncio.run(main()) is loop
    with pytest.raises(NoCurrentLoopError):
        in_new_thread(policy.get_event_loop)


def test_a_worker_thread_keeps_its_context_from_job_to_job(resolver, loop):
    """run_in_executor() copies no contextvars context."""

    async def main():
        running = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:
            await running.run_in_executor(pool, resolver.set, loop)
            return await running.run_in_executor(pool, resolver.get)

    assert asyncio.run(main()) is loop


@pytest.mark.skipif(sys.version_info < (3, 14), reason="before 3.14 a thread's contextvars context ends with it")
def test_a_threads_context_ends_when_the_thread_object_is_dropped_and_not_before(resolver):
    policy, loops = ContextPolicy(resolver, missing="create"), []
    thread = threading.Thread(target=lambda: loops.append(policy.get_event_loop()))
    thread.start()
    thread.join()
    collect()
    assert not loops[0].is_closed()
    del thread
    collect()
    assert loops[0].is_closed()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="from 3.14 on the Thread object owns its contextvars context")
def test_a_threads_context_ends_with_the_thread(resolver):
    policy, loops = ContextPolicy(resolver, missing="create"), []
    thread = threading.Thread(target=lambda: loops.append(policy.get_event_loop()))
    thread.start()
    thread.join()
    collect()
    assert loops[0].is_closed()


def test_a_lease_ends_with_the_last_copy_of_its_context(resolver):
    policy = ContextPolicy(resolver, missing="create")
    context = contextvars.copy_context()
    loop = context.run(policy.get_event_loop)
    copy = context.run(contextvars.copy_context)
    del context
    collect()
    assert copy.run(policy.get_event_loop) is loop
    assert not loop.is_closed()
    del copy
    collect()
    assert loop.is_closed()


@pytest.fixture
def no_collection_meanwhile():
    """Objects are finalized in the order of their creation for certain only if no collection has seen them before."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection_meanwhile")
def test_a_lease_to_which_its_own_loop_refers_ends_with_its_context(resolver):
    """The loop refers to a timer, whose handle keeps a copy of the context that has the lease."""
    closed = []

    class Loop(asyncio.SelectorEventLoop):
        def close(self):
            closed.append("closed")
            super().close()

    policy = ContextPolicy(resolver, missing="create", loop_factory=Loop)
    contextvars.copy_context().run(lambda: policy.get_event_loop().call_later(3600, repr, "never"))
    with pytest.warns(ResourceWarning, match="with pending work: <TimerHandle"):
        collect()
    assert closed == ["closed"]


def test_the_closures_of_the_policy_and_the_methods_of_the_resolver_agree(resolver, loop):
    policy = ContextPolicy(resolver, missing="error")
    policy.set_event_loop(loop)
    assert resolver.get() is policy.get_event_loop() is loop
    resolver.set(None)
    with pytest.raises(NoCurrentLoopError):
        policy.get_event_loop()


@pytest.mark.parametrize("name", ["get", "load"])
def test_the_policy_uses_an_overridden_get(loop, name):
    found = loop if name == "get" else ContextVarResolver
    own = type("Own", (ContextVarResolver,), {name: lambda self: answer(self)})

    def answer(self):
        if name == "get":
            return found
        raise LookupError("asked load")

    policy = ContextPolicy(own(), missing="error")
    if name == "get":
        assert policy.get_event_loop() is loop
    else:
        with pytest.raises(RuntimeError, match="asked load"):
            policy.get_event_loop()


@pytest.mark.parametrize("name", ["set", "store"])
def test_the_policy_uses_an_overridden_set(loop, name):
    calls = []
    own = type("Own", (ContextVarResolver,), {name: lambda self, what: calls.append(what)})
    ContextPolicy(own()).set_event_loop(loop)
    assert loop in (calls[0], getattr(calls[0], "loop", None))


def test_a_binding_in_a_copied_context_has_the_place_where_it_was_made(resolver, loop):
    resolver.traced = True
    resolver.set(loop)
    binding = contextvars.copy_context().run(resolver.binding)
    assert binding.loop is loop
    assert " in test_a_binding_in_a_copied_context" in binding.where
    ContextPolicy(resolver).set_event_loop(loop)
    assert " in test_a_binding_in_a_copied_context" in resolver.binding().where


def test_a_hundred_thousand_sets_do_not_grow_the_context(resolver, loop):
    policy = ContextPolicy(resolver, missing="error")

    def sizes():
        for _ in range(2):
            for _ in range(50_000):
                policy.set_event_loop(loop)
                policy.set_event_loop(None)
            yield len(contextvars.copy_context())

    first, second = sizes()
    assert first == second


def test_an_eager_tasks_first_step_binds_in_the_tasks_context_not_in_its_creators(resolver, loop):
    if sys.version_info < (3, 12):
        pytest.skip("needs Python 3.12")

    async def child():
        resolver.set(StandInLoop("the child's"))

    async def main():
        resolver.set(loop)
        await asyncio.eager_task_factory(asyncio.get_running_loop(), child())
        return resolver.get()

    assert asyncio.run(main()) is loop


def test_callbacks_have_the_context_that_they_were_scheduled_in(resolver, loop):
    async def main():
        seen, done = [], asyncio.get_running_loop().create_future()
        resolver.set(loop)
        asyncio.get_running_loop().call_soon(lambda: done.set_result(seen.append(resolver.get())))
        resolver.set(StandInLoop("set after"))
        await done
        return seen

    assert asyncio.run(main()) == [loop]


def test_a_forked_childs_variables_are_new_and_the_inherited_loop_stays_open():
    program = """
        import asyncio, gc, os, weakref
        from ctxpolicy import ContextVarResolver
        from ctxpolicy.testing import StandInLoop

        resolver = ContextVarResolver()
        resolver.set(asyncio.SelectorEventLoop())
        inherited = weakref.ref(resolver.get())
        child = os.fork()
        if child == 0:
            assert resolver.get() is resolver.binding() is None
            assert not resolver.bindings.was_set()
            resolver.set(StandInLoop())
            gc.collect()
            os._exit(0 if inherited() is not None and not inherited().is_closed() else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert resolver.get() is inherited()
        resolver.get().close()
    """
    run_program(textwrap.dedent(program))
