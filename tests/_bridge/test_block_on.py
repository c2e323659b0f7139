"""Run a coroutine from sync code, whether or not a loop runs in the thread."""

import asyncio
import contextvars
import inspect
import itertools
import textwrap
import threading
import warnings
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

import ctxpolicy
from ctxpolicy import BlockingError, LoopFactoryError, OptionError, block_on
from ctxpolicy._bridge import block_on as block_on_module
from ctxpolicy._bridge import run_on_other_thread
from ctxpolicy.resolvers.slot import SlotBindings
from ctxpolicy.testing import in_new_thread
from tests.support.plain import Plain
from tests.support.policies import collect_garbage, default_policy, in_force
from tests.support.programs import run_program

name = contextvars.ContextVar("name", default=None)


class Elsewhere(ctxpolicy.ProcessResolver):
    """Gives a thread of isolate() the loop of the process instead of the loop of the isolated call."""

    @property
    def bindings(self):
        return SharedBindings(self)


class SharedBindings(SlotBindings):
    def enter_scope(self, lease):
        return None

    def leave_scope(self, token):
        pass


async def where():
    await asyncio.sleep(0)
    return asyncio.get_running_loop()


class TestWithoutALoopRunningHere:
    def test_the_coroutine_runs_on_the_contexts_loop_which_is_leased_if_there_is_none(self, resolver):
        with ctxpolicy.install(resolver, missing="create"):
            first, second = block_on(where()), block_on(where())
            assert first is second is asyncio.get_event_loop()
            resolver.bindings.clear()
            collect_garbage()
        assert first.is_closed()

    def test_a_loop_is_leased_even_if_the_policy_raises_for_a_missing_loop(self):
        with ctxpolicy.install(missing="error"):
            assert block_on(where()) is block_on(where())

    @pytest.mark.parametrize("make", [ctxpolicy.ContextVarResolver, Plain])
    def test_the_coroutine_runs_on_the_bound_loop(self, make):
        with ctxpolicy.install(make()):
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            assert block_on(where()) is loop
            loop.close()

    def test_without_a_policy_of_ours_the_coroutine_runs_on_a_loop_of_its_own(self):
        for policy in None, default_policy():  # the default policy does not exist yet, or exists
            with in_force(policy):
                loop = block_on(where())
            assert loop.is_closed()

    def test_fresh_loop_blocks_of_other_threads_do_not_change_this(self):
        entered, left, leave = threading.Event(), threading.Event(), threading.Event()

        def other():
            with ctxpolicy.fresh_loop():
                entered.set()
                leave.wait()
            left.set()

        thread = threading.Thread(target=other)
        contextvars.Context().run(thread.start)
        entered.wait()
        first = block_on(where())
        leave.set()
        left.wait()
        thread.join()
        assert block_on(where()) is not first
        assert first.is_closed()

    def test_without_a_policy_of_ours_the_coroutine_runs_on_the_bound_loop(self):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            assert block_on(where()) is loop
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    def test_without_a_policy_of_ours_the_coroutine_runs_on_the_loop_of_a_fresh_loop_block(self):
        with ctxpolicy.fresh_loop() as loop:
            assert block_on(where()) is loop

    def test_a_loop_that_another_thread_has_bound_and_does_not_run_is_not_used(self):
        with ctxpolicy.install() as installation:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            context = contextvars.copy_context()

            def other():
                assert installation.policy.resolver.binding().loop is loop
                return block_on(where())

            assert in_new_thread(lambda: context.run(other)) is not loop
            loop.close()

    def test_a_closed_loop_is_refused(self):
        with ctxpolicy.install():
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            loop.close()
            with pytest.raises(BlockingError, match="the loop of this context is closed"):
                block_on(where())

    def test_other_awaitables_are_awaited(self):
        class Answer:
            def __await__(self):
                return where().__await__()

        with ctxpolicy.install():
            assert block_on(Answer()) is block_on(where())

    def test_a_coroutine_of_another_kind_is_run_as_it_is(self):
        class Compiled(Coroutine):
            """Has no attributes that tell its state."""

            def __init__(self):
                self.coro = where()

            def __await__(self):
                raise AssertionError("awaited by another coroutine")

            def send(self, value):
                return self.coro.send(value)

            def throw(self, *details):
                return self.coro.throw(*details)

            def close(self):
                self.coro.close()

        with ctxpolicy.install():
            assert block_on(Compiled()) is block_on(where())

    def test_exceptions_are_raised_in_the_caller(self):
        async def fail():
            raise ValueError("no")

        with ctxpolicy.install() as installation:
            with pytest.raises(ValueError, match="no"):
                block_on(fail())
            # The traceback is a cycle that refers to the leased loop. A reused loop is older than its lease, and the
            # collector would finalize the loop first, which warns that the loop was not closed.
            installation.policy.resolver.bindings.clear()

    def test_a_timeout_cancels_the_coroutine(self):
        log = []

        async def wait():
            try:
                await asyncio.Event().wait()
            finally:
                log.append("cancelled")

        with ctxpolicy.install(), pytest.raises(asyncio.TimeoutError):
            block_on(wait(), timeout=0.01)
        assert log == ["cancelled"]

    def test_ctrl_c_cancels_the_coroutine_and_waits_for_its_end(self):
        program = """
            import asyncio, os, signal, ctxpolicy

            async def main():
                try:
                    os.kill(os.getpid(), signal.SIGINT)
                    await asyncio.sleep(60)
                finally:
                    await asyncio.sleep(0)
                    print("cleaned up")

            with ctxpolicy.install():
                try:
                    ctxpolicy.block_on(main())
                except KeyboardInterrupt:
                    print("interrupted")
        """
        assert run_program(textwrap.dedent(program)).splitlines() == ["cleaned up", "interrupted"]


class TestWithTheContextsLoopRunningInAnotherThread:
    @pytest.mark.parametrize("what", ["contextvar", "process"])
    def test_the_coroutine_is_submitted_there_with_the_contextvars_context(self, what, outer_factory):
        async def probe():
            return await where(), name.get(), threading.current_thread()

        async def main():
            name.set("carried")
            return await asyncio.to_thread(block_on, probe()), asyncio.get_running_loop()

        with ctxpolicy.install(what, loop_factory=outer_factory):
            (loop, carried, thread), own = asyncio.run(main())
        assert loop is own
        assert carried == "carried"
        assert thread is threading.current_thread()

    def test_a_coroutine_that_takes_long_is_waited_for_without_a_warning(self, monkeypatch):
        monkeypatch.setattr(run_on_other_thread, "_PROBE_INTERVAL", 0.001)

        async def main():
            return await asyncio.to_thread(block_on, asyncio.sleep(0.02, "done"))

        with ctxpolicy.install():
            assert asyncio.run(main()) == "done"

    def test_exceptions_are_raised_in_the_caller(self):
        async def fail():
            raise ValueError("no")

        async def main():
            with pytest.raises(ValueError, match="no"):
                await asyncio.to_thread(block_on, fail())

        with ctxpolicy.install():
            asyncio.run(main())

    @pytest.mark.parametrize("fault", ["raises", "returns nothing"])
    def test_an_exception_of_the_other_loops_task_factory_is_raised_here_and_the_coroutine_is_closed(self, fault):
        def factory(loop, coro, **options):
            if fault == "raises":
                raise LookupError("no task")

        async def main():
            loop, coro = asyncio.get_running_loop(), where()
            blocked = asyncio.ensure_future(asyncio.to_thread(block_on, coro))
            loop.set_task_factory(factory)
            with pytest.raises(LookupError if fault == "raises" else AttributeError) as caught:
                await blocked
            loop.set_task_factory(None)
            assert not any("error" in frame.frame.f_locals for frame in caught.traceback if frame.name == "result")
            assert inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED

        with ctxpolicy.install():
            asyncio.run(main())

    def test_an_interrupt_at_the_start_of_the_task_stops_the_loop_and_is_raised_here_too(self):
        def factory(loop, coro, **options):
            raise KeyboardInterrupt

        loop = asyncio.new_event_loop()
        with ctxpolicy.install("process"):
            asyncio.set_event_loop(loop)
            with ThreadPoolExecutor(1) as executor:
                blocked = []
                loop.call_soon(lambda: blocked.append(executor.submit(block_on, where())))
                loop.set_task_factory(factory)
                with pytest.raises(KeyboardInterrupt):
                    loop.run_forever()
                with pytest.raises(KeyboardInterrupt):
                    blocked[0].result()
            asyncio.set_event_loop(None)
        loop.close()

    def test_a_timeout_cancels_the_coroutine_there_and_waits_for_its_end(self, monkeypatch):
        log, started, readings = [], threading.Event(), itertools.count(1)

        def monotonic():
            """Stand still until the coroutine has started, then advance by more than the timeout at each reading."""
            return next(readings) * 0.02 if started.is_set() else 0.0

        monkeypatch.setattr(run_on_other_thread, "time", SimpleNamespace(monotonic=monotonic))

        async def wait():
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                log.append("cancelled")

        def sync():
            message = r"not done after 0.01 seconds on .*, made at .*test_block_on.py:\d+ in .*; it was cancelled there"
            with pytest.raises(asyncio.TimeoutError, match=message):
                block_on(wait(), timeout=0.01)
            return list(log)

        async def main():
            return await asyncio.to_thread(sync)

        with ctxpolicy.install():
            assert asyncio.run(main()) == ["cancelled"]

    def test_a_cancelled_coroutine_is_waited_for_as_long_as_its_loop_responds(self, monkeypatch):
        started, responses, log = threading.Event(), [], []
        note_response = run_on_other_thread._Call._note_response

        def monotonic():
            """Exceed the timeout when the coroutine has started; from then on, advance with each response only."""
            return started.is_set() + 0.6 * run_on_other_thread._GRACE * len(responses)

        def note(call):
            if started.is_set():
                responses.append(call)
            note_response(call)

        monkeypatch.setattr(run_on_other_thread, "time", SimpleNamespace(monotonic=monotonic))
        monkeypatch.setattr(run_on_other_thread, "_PROBE_INTERVAL", 0.001)
        monkeypatch.setattr(run_on_other_thread._Call, "_note_response", note)

        async def needs_five_responses():
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                enough = len(responses) + 5
                while len(responses) < enough:
                    await asyncio.sleep(0)
                log.append("ended")

        def sync():
            with pytest.raises(asyncio.TimeoutError):
                block_on(needs_five_responses(), timeout=0.01)
            return list(log)

        with ctxpolicy.install():
            assert asyncio.run(asyncio.to_thread(sync)) == ["ended"]

    def test_a_coroutine_that_is_cancelled_before_it_starts_is_never_started(self, monkeypatch):
        monkeypatch.setattr(run_on_other_thread, "_GRACE", 0.0)
        blocked, go_on = threading.Event(), threading.Event()
        started = []

        async def never():
            started.append(1)

        def sync():
            blocked.wait()
            try:
                with pytest.raises(asyncio.TimeoutError):
                    block_on(never(), timeout=0)
            finally:
                go_on.set()

        async def main():
            waiting = asyncio.create_task(asyncio.to_thread(sync))
            await asyncio.sleep(0)
            blocked.set()
            go_on.wait()  # this loop does not respond
            await waiting

        with ctxpolicy.install():
            asyncio.run(main())
        assert started == []

    def test_a_coroutine_that_is_cancelled_before_it_starts_is_waited_for_until_its_loop_responds(self, monkeypatch):
        blocked, go_on, started = threading.Event(), threading.Event(), []
        call_in_loop = run_on_other_thread._Call._call_in_loop

        def unblock(call, callback):
            if call._cancelled:
                go_on.set()
            return call_in_loop(call, callback)

        monkeypatch.setattr(run_on_other_thread._Call, "_call_in_loop", unblock)

        async def never():
            started.append(1)

        def sync():
            blocked.wait()
            with pytest.raises(asyncio.TimeoutError):
                block_on(never(), timeout=0)

        async def main():
            waiting = asyncio.create_task(asyncio.to_thread(sync))
            await asyncio.sleep(0)
            blocked.set()
            go_on.wait()  # this loop does not respond until the call is cancelled
            await waiting

        with ctxpolicy.install():
            asyncio.run(main())
        assert started == []

    def test_a_wait_for_a_loop_that_waits_for_this_thread_is_refused(self):
        def sync():
            with pytest.raises(BlockingError, match="is blocked until the work of this thread ends"):
                block_on(where())
            return "refused"

        async def main():
            return block_on(ctxpolicy.isolate(sync), nested="isolated")

        with ctxpolicy.install(Elsewhere()):
            assert asyncio.run(main()) == "refused"

    def test_a_loop_that_is_stopped_during_the_wait_is_an_error(self):
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)

        async def stop():
            loop.stop()
            await asyncio.Event().wait()

        with ctxpolicy.install("process"):
            asyncio.set_event_loop(loop)
            thread.start()
            with pytest.raises(BlockingError, match="was stopped before .* was done"):
                block_on(stop())
            thread.join()
            asyncio.set_event_loop(None)
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    def test_a_loop_that_is_closed_at_the_moment_of_the_call_is_an_error(self, monkeypatch):
        with ctxpolicy.install():
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            loop.close()
            monkeypatch.setattr(loop, "is_running", lambda: True)
            with pytest.raises(BlockingError, match="was closed before .* was done"):
                block_on(where())

    def test_a_loop_that_does_not_respond_is_named_in_a_warning(self, monkeypatch):
        monkeypatch.setattr(run_on_other_thread, "_WARN_AFTER", 0.0)
        monkeypatch.setattr(run_on_other_thread, "_PROBE_INTERVAL", 0.01)
        probed_again = threading.Event()
        texts, probes = [], []
        probe = run_on_other_thread._Call._probe

        def counted(call):
            probe(call)
            probes.append(call)
            if len(probes) > 5:
                probed_again.set()

        def note(message, *_args, **_kwargs):
            texts.append(str(message))

        async def main():
            task = asyncio.create_task(asyncio.to_thread(block_on, where()))
            await asyncio.sleep(0)
            probed_again.wait(60)  # blocks the loop
            return await task

        with ctxpolicy.install():
            monkeypatch.setattr(warnings, "warn", note)
            monkeypatch.setattr(run_on_other_thread._Call, "_probe", counted)
            asyncio.run(main())
        assert "does not respond" in texts[0]
        assert len(texts) == 1


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_exception_is_raised_and_is_not_logged_as_never_retrieved(error, caplog):
    async def leave():
        raise error

    async def main():
        with pytest.raises(error):
            block_on(leave(), nested="isolated")

    collect_garbage()  # finalizes the tasks of other tests, which may log errors
    caplog.clear()
    with ctxpolicy.install() as installation:
        with pytest.raises(error):
            block_on(leave())
        asyncio.run(main())
        installation.policy.resolver.bindings.clear()
    collect_garbage()
    assert caplog.messages == []


def test_an_object_that_is_not_awaitable_is_refused():
    with pytest.raises(OptionError, match="a coroutine or another awaitable"):
        block_on(42)


def test_an_unknown_nested_is_refused():
    with pytest.raises(OptionError, match="'error' or 'isolated'"):
        block_on(where(), nested="no")
    collect_garbage()


def no_loop():
    raise OSError("too many open files")


class TestNoLoopCanBeMade:
    """The coroutine is closed. A warning that it was never awaited would fail these tests."""

    @pytest.mark.parametrize("timeout", [None, 1])
    def test_only_the_error_is_raised(self, timeout):
        with ctxpolicy.install(loop_factory=no_loop), pytest.raises(LoopFactoryError):
            block_on(where(), timeout=timeout)
        collect_garbage()

    @pytest.mark.parametrize("timeout", [None, 1])
    def test_only_the_error_is_raised_under_a_running_loop(self, timeout):
        async def main():
            with pytest.raises(LoopFactoryError):
                block_on(where(), nested="isolated", timeout=timeout)

        with ctxpolicy.install(loop_factory=no_loop):
            ctxpolicy.run(main(), loop_factory="asyncio")
        collect_garbage()

    def test_only_the_error_is_raised_if_a_resolver_fails_to_find_its_loop_factory(self):
        class Failing(ctxpolicy.ContextVarResolver):
            broken = False

            def applies(self):
                if self.broken:
                    raise OSError("too many open files")
                return True

        resolver = Failing()

        async def main():
            resolver.broken = True
            try:
                with pytest.raises(OSError, match="too many"):
                    block_on(where(), nested="isolated")
            finally:
                resolver.broken = False

        with ctxpolicy.install(ctxpolicy.ChainResolver(resolver)):
            ctxpolicy.run(main(), loop_factory="asyncio")
        collect_garbage()

    def test_only_the_error_is_raised_without_a_policy_of_ours(self, monkeypatch):
        monkeypatch.setattr(block_on_module, "fresh_loop", no_loop)
        with pytest.raises(OSError, match="too many"):
            block_on(where(), timeout=1)
        collect_garbage()


def test_a_coroutine_that_was_started_is_refused():
    coro = where()
    coro.send(None)
    with pytest.raises(BlockingError, match="was awaited or started before"):
        block_on(coro)
    coro.close()


def test_a_coroutine_that_was_awaited_to_its_end_is_refused():
    coro = where()
    with ctxpolicy.install() as installation:
        block_on(coro)
        with pytest.raises(BlockingError, match="was awaited or started before"):
            block_on(coro)
        installation.policy.resolver.bindings.clear()


def test_ctrl_c_while_waiting_for_another_thread_cancels_the_coroutine_there():
    program = """
        import asyncio, os, signal, threading, ctxpolicy

        async def wait():
            os.kill(os.getpid(), signal.SIGINT)
            try:
                await asyncio.sleep(60)
            finally:
                print("cancelled there", flush=True)

        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        with ctxpolicy.install("process"):
            asyncio.set_event_loop(loop)
            try:
                ctxpolicy.block_on(wait())
            except KeyboardInterrupt:
                print("interrupted")
            asyncio.set_event_loop(None)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    """
    assert run_program(textwrap.dedent(program)).splitlines() == ["cancelled there", "interrupted"]
