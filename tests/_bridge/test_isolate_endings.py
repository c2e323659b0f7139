"""isolate(): the end of a call whose caller is cancelled or whose timeout expires."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ctxpolicy import isolate
from ctxpolicy._bridge import isolated_call
from ctxpolicy._bridge.isolated_call import IsolatedCall
from ctxpolicy._bridge.worker_threads import ThreadCache
from ctxpolicy._loops.lease import Lease
from ctxpolicy.testing import in_new_thread
from tests._bridge.calls import Gate, started


@pytest.fixture
def not_begun(threads: ThreadCache, monkeypatch: pytest.MonkeyPatch) -> list[IsolatedCall]:
    """Return the list of submitted calls. No thread runs them; the test runs them itself."""
    calls: list[IsolatedCall] = []
    monkeypatch.setattr(threads, "submit", calls.append)
    return calls


async def run_in_a_thread(call: IsolatedCall) -> None:
    await asyncio.to_thread(call.run)
    call.finish()


# Cancellation.


def test_cancelling_the_caller_cancels_the_function_and_waits_for_its_end():
    gate = Gate()

    async def cleans_up() -> None:
        try:
            await gate.wait()
        finally:
            await asyncio.sleep(0.001)
            gate.calls.append("cleaned up")

    async def main() -> None:
        task = asyncio.ensure_future(isolate(cleans_up))
        await started(task, gate.reached)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert gate.calls == ["ended", "cleaned up"]

    asyncio.run(main())


def test_a_second_cancellation_does_not_interrupt_the_cleanup():
    gate = Gate()
    cleaning = threading.Event()

    async def cleans_up() -> None:
        try:
            await gate.wait()
        finally:
            cleaning.set()
            while not gate.opened.is_set():
                await asyncio.sleep(0)
            gate.calls.append("cleaned up")

    async def main() -> None:
        task = asyncio.ensure_future(isolate(cleans_up))
        await started(task, gate.reached)
        task.cancel()
        await started(task, cleaning)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
            assert not task.done()
        gate.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert gate.calls == ["ended", "cleaned up"]

    asyncio.run(main())


@pytest.mark.parametrize("outcome", ["a value", LookupError("in the clean-up")])
def test_the_outcome_of_a_cancelled_function_is_the_outcome_of_the_call(outcome):
    gate = Gate()

    async def resists() -> object:
        try:
            await gate.wait()
        except asyncio.CancelledError:
            if isinstance(outcome, Exception):
                raise outcome from None
        return outcome

    async def main() -> object:
        task = asyncio.ensure_future(isolate(resists))
        await started(task, gate.reached)
        task.cancel()
        try:
            return await task
        except LookupError as error:
            return error

    assert asyncio.run(main()) is outcome


def test_a_sync_function_cannot_be_cancelled_and_is_waited_for():
    gate = Gate()

    async def main() -> None:
        task = asyncio.ensure_future(isolate(gate.block))
        await started(task, gate.reached)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        gate.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert gate.calls == [None]

    asyncio.run(main())


def test_an_exception_of_a_sync_function_after_the_cancellation_is_not_lost():
    gate = Gate()

    def breaks() -> None:
        gate.block()
        raise LookupError("after all")

    async def main() -> None:
        task = asyncio.ensure_future(isolate(breaks))
        await started(task, gate.reached)
        task.cancel()
        await asyncio.sleep(0)
        gate.opened.set()
        with pytest.raises(LookupError, match="after all"):
            await task

    asyncio.run(main())


@pytest.mark.parametrize("when", ["while a thread makes its loop", "in the function before its coroutine runs"])
def test_a_function_that_is_cancelled_during_startup_does_not_continue(when):
    gate = Gate()

    def factory() -> asyncio.AbstractEventLoop:
        if when == "while a thread makes its loop":
            gate.block()
        return asyncio.SelectorEventLoop()

    def function() -> Awaitable[None]:
        if when != "while a thread makes its loop":
            gate.block()
        gate.calls.append("called")
        return never()

    async def never() -> None:
        gate.calls.append("ran")

    async def main() -> None:
        task = asyncio.ensure_future(isolate(function, loop_factory=factory))
        await started(task, gate.reached)
        task.cancel()
        await asyncio.sleep(0)
        gate.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert gate.calls == ([None] if when == "while a thread makes its loop" else [None, "called"])


def test_a_call_that_is_cancelled_before_a_thread_has_begun_it_is_not_run(not_begun: list[IsolatedCall]):
    late = Gate()

    async def main() -> None:
        task = asyncio.ensure_future(isolate(late.block))
        await asyncio.sleep(0)
        task.cancel()
        (call,) = not_begun
        while not call._cancelled:  # until the task has received the cancellation
            await asyncio.sleep(0)
        await run_in_a_thread(call)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert not late.reached.is_set()


def test_a_cancellation_after_the_loop_was_closed_does_no_harm(monkeypatch):
    gate = Gate()
    give_back = Lease.give_back

    def held_up(lease: Lease) -> None:
        give_back(lease)
        gate.block()

    monkeypatch.setattr(Lease, "give_back", held_up)

    async def keeps_its_loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def main() -> None:
        task = asyncio.ensure_future(isolate(keeps_its_loop))
        await started(task, gate.reached)
        task.cancel()
        await asyncio.sleep(0)
        gate.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


# A caller that is closed, and therefore cannot wait.


def test_if_the_calling_coroutine_is_closed_the_function_is_cancelled_and_not_waited_for():
    gate = Gate()

    async def main() -> None:
        call = isolate(gate.wait)
        call.send(None)
        gate.reached.wait()
        call.close()
        while not gate.calls:
            await asyncio.sleep(0)

    asyncio.run(main())
    assert gate.calls == ["ended"]


def test_a_call_whose_coroutine_is_closed_before_a_thread_has_begun_it_is_not_run(
    not_begun: list[IsolatedCall],
):
    late = Gate()

    async def main() -> None:
        call = isolate(late.block)
        call.send(None)
        call.close()
        await run_in_a_thread(not_begun.pop())

    asyncio.run(main())
    assert not late.reached.is_set()


def test_an_exception_of_the_function_of_a_closed_caller_goes_to_the_exception_handler():
    gate = Gate()
    contexts: list[dict[str, Any]] = []

    async def breaks() -> None:
        try:
            await gate.wait()
        finally:
            raise LookupError("in the clean-up")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))
        call = isolate(breaks)
        call.send(None)
        gate.reached.wait()
        call.close()
        while not contexts:
            await asyncio.sleep(0)

    asyncio.run(main())
    assert "given up" in contexts[0]["message"]
    assert isinstance(contexts[0]["exception"], LookupError)


# Timeouts.


def test_a_function_that_exceeds_the_timeout_is_cancelled_in_its_thread():
    gate = Gate()

    async def main() -> None:
        while not gate.reached.is_set():  # on a busy machine the timeout may expire before the function is called
            with pytest.raises(asyncio.TimeoutError, match=r"was not done after 0\.01 seconds"):
                await isolate(gate.wait, timeout=0.01)
        assert gate.calls == ["ended"]

    asyncio.run(main())


def test_a_function_that_is_done_in_time_is_not_cancelled():
    assert asyncio.run(isolate(max, 1, 2, timeout=100)) == 2
    assert asyncio.run(isolate(asyncio.sleep, 0, "done", timeout=100)) == "done"


@pytest.mark.parametrize("function", [int, [].pop], ids=["returns", "raises"])
def test_the_end_of_a_function_ends_the_timer_of_its_timeout(function):
    timers = []

    class Loop(asyncio.SelectorEventLoop):
        def call_later(self, *args: Any, **options: Any) -> asyncio.TimerHandle:
            timers.append(super().call_later(*args, **options))
            return timers[-1]

    with contextlib.closing(Loop()) as loop, contextlib.suppress(IndexError):
        loop.run_until_complete(isolate(function, timeout=100))
    assert [timer.cancelled() for timer in timers] == [True]


def test_a_timeout_error_that_the_function_raises_is_passed_on():
    async def times_out() -> None:
        raise asyncio.TimeoutError("its own")

    with pytest.raises(asyncio.TimeoutError, match="its own"):
        asyncio.run(isolate(times_out, timeout=100))


@pytest.mark.parametrize("function", ["block", "block_loop"])
def test_a_function_that_cannot_be_cancelled_is_given_up(function, monkeypatch):
    monkeypatch.setattr(isolated_call, "_GRACE", 0.01)
    gate = Gate()

    async def main() -> None:
        while not gate.reached.is_set():  # as above
            with pytest.raises(asyncio.TimeoutError):
                await isolate(getattr(gate, function), timeout=0.01)
        assert gate.calls == []
        gate.opened.set()

    asyncio.run(main())


@pytest.mark.parametrize(("function", "grace"), [("block", 0), ("block_loop", isolated_call._GRACE)])
def test_after_the_timeout_only_a_function_that_can_be_cancelled_is_waited_for(function, grace):
    gate = Gate()
    timers: list[tuple[float, Callable[[], None]]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def recorded(delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
            timers.append((delay, callback))
            return call_later(3600, callback)

        loop.call_later = recorded  # type: ignore[assignment, method-assign]  # the attribute of the instance
        task = asyncio.ensure_future(isolate(getattr(gate, function), timeout=100))
        await started(task, gate.reached)
        time_out = timers[0][1]
        time_out()
        delay, give_up = timers[1]
        give_up()
        with pytest.raises(asyncio.TimeoutError, match="was not done after 100 seconds"):
            await task
        assert delay == grace
        del loop.call_later  # type: ignore[method-assign]
        gate.opened.set()

    asyncio.run(main())


def test_a_cancellation_that_the_function_raises_is_no_timeout():
    async def cancels_itself() -> None:
        raise asyncio.CancelledError("its own")

    async def main(timeout: float | None) -> None:
        with pytest.raises(asyncio.CancelledError):
            await isolate(cancels_itself, timeout=timeout)

    asyncio.run(main(None))
    asyncio.run(main(100))


def test_an_exception_of_a_function_that_was_given_up_goes_to_the_exception_handler():
    gate = Gate()
    contexts: list[dict[str, Any]] = []

    def breaks() -> None:
        gate.block()
        raise LookupError("late")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))
        while not gate.reached.is_set():  # as above
            with pytest.raises(asyncio.TimeoutError):
                await isolate(breaks, timeout=0.01)
        gate.opened.set()
        while not contexts:
            await asyncio.sleep(0)

    asyncio.run(main())
    assert "breaks" in contexts[0]["message"]
    assert "given up" in contexts[0]["message"]
    assert isinstance(contexts[0]["exception"], LookupError)


def test_a_call_that_no_thread_has_begun_in_time_is_never_run(not_begun: list[IsolatedCall]):
    late = Gate()

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await isolate(late.block, timeout=0.01)
        await run_in_a_thread(not_begun.pop())

    asyncio.run(main())
    assert not late.reached.is_set()


def test_a_call_whose_thread_begins_just_after_the_timeout_has_timed_out(not_begun: list[IsolatedCall]):
    late = Gate()

    async def main() -> None:
        task = asyncio.ensure_future(isolate(late.block, timeout=100))
        await asyncio.sleep(0)
        (call,) = not_begun
        call._time_out()
        in_new_thread(call.run)
        call.finish()  # wakes the caller before the call is given up
        with pytest.raises(asyncio.TimeoutError, match="was not done after 100 seconds") as caught:
            await task
        assert not any("error" in frame.frame.f_locals for frame in caught.traceback if frame.name == "outcome")

    asyncio.run(main())
    assert not late.reached.is_set()


@pytest.mark.logs_asyncio_errors(reason="on a busy machine, calls time out before they begin, and are dropped")
def test_a_cancellation_after_the_timeout_takes_precedence():
    gate = Gate()

    async def takes_its_time() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            gate.block()

    async def main() -> None:
        task = asyncio.ensure_future(isolate(takes_its_time, timeout=0.01))
        while not gate.reached.is_set():
            if task.done():  # as above
                task = asyncio.ensure_future(isolate(takes_its_time, timeout=0.01))
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        gate.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_call_that_is_given_up_and_cancelled_ends_for_the_caller(monkeypatch):
    monkeypatch.setattr(isolated_call, "_GRACE", 0.01)
    gate = Gate()

    async def main() -> None:
        task = asyncio.ensure_future(isolate(gate.block, timeout=0.01))
        await asyncio.sleep(0)
        task.cancel()  # the task now waits for the end of the call, which only the timeout brings
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.opened.set()

    asyncio.run(main())


def test_a_function_that_has_ended_is_not_given_up_when_the_grace_period_is_over(monkeypatch: pytest.MonkeyPatch):
    calls: list[IsolatedCall] = []
    end_after = IsolatedCall.end_after

    def recorded(call: IsolatedCall, seconds: float) -> asyncio.TimerHandle:
        calls.append(call)
        return end_after(call, seconds)

    monkeypatch.setattr(IsolatedCall, "end_after", recorded)
    asyncio.run(isolate(asyncio.sleep, 0, timeout=60))
    calls[0]._give_up()
    assert calls[0]._given_up is False
