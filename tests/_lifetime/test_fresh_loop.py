"""A loop for the duration of a with block."""

import asyncio
import contextvars
import os
import socket
import textwrap
import threading

import pytest

import ctxpolicy
from ctxpolicy import LoopFactoryError, NoCurrentLoopError, ScopeError, fresh_loop
from ctxpolicy._asyncio.host import host
from tests.support.plain import Plain
from tests.support.policies import in_thread
from tests.support.programs import run_program


@pytest.fixture
def installed(resolver):
    with ctxpolicy.install(resolver, missing="error"):
        yield resolver


async def forever(log):
    try:
        await asyncio.Event().wait()
    finally:
        log.append("cancelled")


def test_the_loop_is_bound_in_the_block_and_closed_and_unbound_after_it(installed):
    with fresh_loop() as loop:
        assert asyncio.get_event_loop() is loop
    assert loop.is_closed()
    with pytest.raises(NoCurrentLoopError):
        asyncio.get_event_loop()


def test_the_previous_loop_is_bound_again_after_the_block_even_after_an_exception(installed):
    before = asyncio.new_event_loop()
    asyncio.set_event_loop(before)
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), fresh_loop():
            raise error
        assert asyncio.get_event_loop() is before
    asyncio.set_event_loop(None)
    before.close()


def test_the_loop_is_bound_again_after_asyncio_run_in_the_block(installed):
    with fresh_loop() as loop:
        asyncio.run(asyncio.sleep(0))
        assert asyncio.get_event_loop() is loop
        other = asyncio.new_event_loop()
        asyncio.set_event_loop(other)
        asyncio.set_event_loop(None)
        assert asyncio.get_event_loop() is loop
        other.close()


def test_blocks_can_be_nested(installed):
    with fresh_loop() as outer:
        with fresh_loop() as inner:
            assert asyncio.get_event_loop() is inner
        assert asyncio.get_event_loop() is outer
        assert inner.is_closed()


def test_under_a_minimal_resolver_the_previous_loop_is_bound_again_after_the_block():
    with ctxpolicy.install(Plain(), missing="error"):
        before = asyncio.new_event_loop()
        asyncio.set_event_loop(before)
        with fresh_loop() as loop:
            assert asyncio.get_event_loop() is loop
        assert asyncio.get_event_loop() is before
        asyncio.set_event_loop(None)
        before.close()


def test_at_the_end_tasks_are_cancelled_and_generators_and_executor_shut_down():
    log = []

    async def generator():
        try:
            yield
        finally:
            log.append("generator closed")

    async def main(agen):
        await agen.__anext__()
        await asyncio.get_running_loop().run_in_executor(None, log.append, "in executor")

    with fresh_loop() as loop:
        agen = generator()
        loop.run_until_complete(main(agen))
        task = loop.create_task(forever(log))
        loop.run_until_complete(asyncio.sleep(0))
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("asyncio_")]
        assert threads
    assert log == ["in executor", "cancelled", "generator closed"]
    assert task.cancelled()
    assert not any(thread.is_alive() for thread in threads)


def test_the_loop_is_still_bound_while_it_is_shut_down(installed):
    found = []
    with fresh_loop() as loop:
        task = loop.create_task(asyncio.Event().wait())
        task.add_done_callback(lambda _: found.append(installed.get()))
        loop.run_until_complete(asyncio.sleep(0))
    assert found == [loop]


def test_ready_callbacks_run_at_the_end_even_if_no_other_work_is_left(outer_factory):
    log = []
    with fresh_loop(loop_factory=outer_factory) as loop:
        loop.call_soon(log.append, "called")
        loop.call_later(0, log.append, "timer")
        loop.call_soon_threadsafe(loop.call_soon, log.append, "called by what was called")
    assert sorted(log) == ["called", "called by what was called", "timer"]


def test_a_transport_that_is_closing_is_closed_at_the_end(outer_factory):
    ours, theirs = socket.socketpair()
    with theirs, fresh_loop(loop_factory=outer_factory) as loop:
        transport, _ = loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=ours))
        transport.close()
    assert ours.fileno() == -1


def test_an_exception_of_a_cancelled_task_is_reported_to_the_loops_exception_handler():
    reported = []

    async def stubborn():
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("no")

    with fresh_loop() as loop:
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        loop.create_task(stubborn())
        loop.run_until_complete(asyncio.sleep(0))
    assert [str(error) for error in reported] == ["no"]


def test_without_a_policy_of_ours_the_block_uses_a_temporary_policy_and_restores_asyncios():
    previous = host.in_force()
    with fresh_loop() as loop:
        assert asyncio.get_event_loop() is loop
        assert host.in_force() is not previous
        asyncio.run(asyncio.sleep(0))
        assert asyncio.get_event_loop() is loop
    assert host.in_force() in (previous, host.asyncio_policy())


def test_in_a_coroutine_the_loop_is_shut_down_while_the_running_loop_is_blocked():
    log = []

    async def main():
        with fresh_loop() as loop:
            assert asyncio.get_event_loop() is asyncio.get_running_loop() is not loop
            loop.create_task(forever(log))
            loop.call_soon(log.append, "called")
        assert loop.is_closed()
        return asyncio.current_task() is not None

    assert asyncio.run(main())
    assert log[0] == "called"


def test_the_loop_is_made_by_the_given_factory():
    class Loop(asyncio.SelectorEventLoop):
        pass

    with fresh_loop(loop_factory=Loop) as loop:
        assert type(loop) is Loop
    with fresh_loop(loop_factory="selector") as loop:
        assert type(loop) is asyncio.SelectorEventLoop


def test_a_factory_that_raises_leaves_the_previous_loop_bound(installed):
    def factory():
        raise OSError("no more descriptors")

    before = asyncio.new_event_loop()
    asyncio.set_event_loop(before)
    with pytest.raises(LoopFactoryError, match="no more descriptors"), fresh_loop(loop_factory=factory):
        pass
    assert asyncio.get_event_loop() is before
    asyncio.set_event_loop(None)
    before.close()


def test_leaving_scopes_out_of_order_is_refused_and_changes_nothing():
    with ctxpolicy.install():
        outer, inner = fresh_loop(), fresh_loop()
        outer_loop = outer.__enter__()
        inner_loop = inner.__enter__()
        with pytest.raises(ScopeError, match="a scope that was entered inside it is still open"):
            outer.__exit__(None, None, None)
        assert asyncio.get_event_loop() is inner_loop
        assert not outer_loop.is_closed()
        inner.__exit__(None, None, None)
        assert asyncio.get_event_loop() is outer_loop
        outer.__exit__(None, None, None)
        assert outer_loop.is_closed()


def close_it(loop, resolver):
    loop.close()


def close_it_and_run(loop, resolver):
    loop.close()
    asyncio.run(asyncio.sleep(0))


def end_its_lease_and_need_another(loop, resolver):
    resolver.binding().lease.release()
    asyncio.set_event_loop(None)
    assert asyncio.get_event_loop() is not loop


def clear_the_context(loop, resolver):
    resolver.bindings.clear()
    assert resolver.get() is None


@pytest.mark.parametrize("end", [close_it, close_it_and_run, end_its_lease_and_need_another, clear_the_context])
def test_a_scope_whose_loop_has_already_ended_can_be_left_normally(end, resolver):
    with ctxpolicy.install(resolver, missing="create"), fresh_loop() as outer:
        with fresh_loop() as loop:
            end(loop, resolver)
        assert loop.is_closed()
        assert asyncio.get_event_loop() is outer


def test_a_scope_can_be_left_after_its_key_was_released():
    resolver = ctxpolicy.KeyedResolver(lambda: "acme")
    with ctxpolicy.install(resolver, missing="error"):
        with fresh_loop() as loop:
            resolver.release("acme")
            with pytest.raises(NoCurrentLoopError):
                asyncio.get_event_loop()
        assert loop.is_closed()


def in_a_task(function):
    async def main():
        function()

    asyncio.run(main())


ELSEWHERE = {
    "another thread": in_thread,
    "another contextvars context": lambda function: contextvars.Context().run(function),
    "a task": in_a_task,
    "a copy of the context": lambda function: contextvars.copy_context().run(function),
    "a copy of the context in another thread": lambda function: in_thread(contextvars.copy_context().run, function),
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_leaving_a_scope_in_another_context_is_refused_and_the_scope_stays_entered(where):
    errors = []

    def leave():
        with pytest.raises(ScopeError, match="was entered in another context or thread") as caught:
            scope.__exit__(None, None, None)
        errors.append(caught.type)

    with ctxpolicy.install():
        scope = fresh_loop()
        loop = scope.__enter__()
        ELSEWHERE[where](leave)
        assert errors == [ScopeError]
        assert asyncio.get_event_loop() is loop
        loop.run_until_complete(asyncio.sleep(0))
        scope.__exit__(None, None, None)
    assert loop.is_closed()


@pytest.mark.parametrize("resolver", [ctxpolicy.ThreadResolver(), ctxpolicy.ProcessResolver()])
def test_leaving_a_scope_in_another_thread_is_refused_even_if_threads_share_the_context(resolver):
    with ctxpolicy.install(resolver):
        scope = fresh_loop()
        loop = scope.__enter__()
        with pytest.raises(ScopeError, match="another context or thread"):
            in_thread(scope.__exit__, None, None, None)
        assert asyncio.get_event_loop() is loop
        scope.__exit__(None, None, None)
    assert loop.is_closed()


def test_if_the_context_is_the_thread_any_code_in_the_thread_may_leave_the_scope():
    with ctxpolicy.install("thread"):
        scope = fresh_loop()
        loop = contextvars.copy_context().run(scope.__enter__)
        scope.__exit__(None, None, None)
    assert loop.is_closed()


def test_a_scope_cannot_be_left_while_its_loop_runs():
    with fresh_loop() as loop:
        scope = fresh_loop(loop_factory=lambda: inner)
        inner = asyncio.new_event_loop()
        scope.__enter__()

        async def leave():
            scope.__exit__(None, None, None)

        with pytest.raises(ScopeError, match="while its loop is running"):
            inner.run_until_complete(leave())
        scope.__exit__(None, None, None)
        assert asyncio.get_event_loop() is loop


def test_a_scope_can_be_entered_only_once_at_a_time_and_left_only_if_entered():
    scope = fresh_loop()
    with pytest.raises(ScopeError, match="not entered"):
        scope.__exit__(None, None, None)
    with scope, pytest.raises(ScopeError, match="already entered"):
        scope.__enter__()
    with scope as loop:
        assert asyncio.get_event_loop() is loop


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_can_leave_a_scope_of_the_parent_once_and_the_parent_keeps_its_loop():
    program = """
        import asyncio, os, warnings, ctxpolicy

        warnings.simplefilter("ignore", DeprecationWarning)  # os.fork() warns if there are threads
        with ctxpolicy.install():
            scope = ctxpolicy.fresh_loop()
            loop = scope.__enter__()
            child = os.fork()
            if child == 0:
                scope.__exit__(None, None, None)
                try:
                    scope.__exit__(None, None, None)
                except ctxpolicy.ScopeError as error:
                    print(error, flush=True)
                with scope as new:
                    print(new is not loop, new.run_until_complete(asyncio.sleep(0, "runs")), flush=True)
                os._exit(0)
            status = os.waitpid(child, 0)[1]
            print(status, loop.run_until_complete(asyncio.sleep(0, "runs")))
            scope.__exit__(None, None, None)
    """
    assert run_program(textwrap.dedent(program)).splitlines() == ["this scope is not entered", "True runs", "0 runs"]
