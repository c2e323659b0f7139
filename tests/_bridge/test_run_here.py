"""Ctrl-C while a loop of this thread runs a coroutine is handled as asyncio.run() handles it."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

import ctxpolicy
from ctxpolicy import block_on
from ctxpolicy._bridge import run_here
from ctxpolicy._bridge.run_here import run_until_done
from ctxpolicy.testing import in_new_thread

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent in another way on Windows")


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with closing(asyncio.SelectorEventLoop()) as loop:
        yield loop


@pytest.fixture(autouse=True)
def pythons_own_handler() -> Iterator[None]:
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, previous)


def test_ctrl_c_cancels_the_coroutine_and_is_raised_after_its_end(loop):
    log = []

    async def main():
        try:
            press_ctrl_c()
            await asyncio.sleep(3600)
        finally:
            log.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        run_until_done(loop, main())
    assert log == ["cleaned up"]


def test_ctrl_c_wakes_a_loop_that_sleeps(loop):
    async def main():
        await asyncio.get_running_loop().run_in_executor(None, press_ctrl_c)
        await asyncio.sleep(3600)

    with pytest.raises(KeyboardInterrupt):
        run_until_done(loop, main())
    loop.run_until_complete(loop.shutdown_default_executor())


def test_ctrl_c_ends_a_wait_for_events_that_has_begun():
    woken = []

    class Selector(selectors.DefaultSelector):
        def select(self, timeout=None):
            if timeout is not None and timeout < 60:
                return super().select(timeout)
            press_ctrl_c()
            events = super().select(0)  # without an event, the wait would take an hour
            woken.append(len(events))
            return events

    with closing(asyncio.SelectorEventLoop(Selector())) as loop, pytest.raises(KeyboardInterrupt):
        run_until_done(loop, asyncio.sleep(3600))
    assert woken == [1]


def test_ctrl_c_after_the_end_of_the_coroutine_is_raised_at_once(loop):
    async def main():
        asyncio.current_task().add_done_callback(lambda _: press_ctrl_c())

    with pytest.raises(KeyboardInterrupt):
        run_until_done(loop, main())


def test_a_second_ctrl_c_is_raised_at_once(loop):
    async def main():
        while True:
            try:
                press_ctrl_c()
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                pass

    with pytest.raises(KeyboardInterrupt):
        run_until_done(loop, main())
    (task,) = asyncio.all_tasks(loop) or [None]
    if task is not None:
        task._log_destroy_pending = False


@pytest.mark.parametrize("call", [lambda function: function(), in_new_thread], ids=["here", "in another thread"])
def test_a_cancellation_without_ctrl_c_is_raised_as_cancelled_error(call, loop):
    async def main():
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        call(lambda: run_until_done(loop, main()))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 does not count cancellations")
def test_a_cancellation_in_addition_to_ctrl_c_is_raised_as_cancelled_error(loop):
    async def main():
        asyncio.current_task().cancel()
        press_ctrl_c()
        await asyncio.sleep(3600)

    with pytest.raises(asyncio.CancelledError):
        run_until_done(loop, main())


def test_a_handler_of_the_programs_own_is_left_in_place(loop):
    pressed = []
    signal.signal(signal.SIGINT, lambda *_: pressed.append(True))

    async def main():
        press_ctrl_c()
        await asyncio.sleep(0)
        return "done"

    assert run_until_done(loop, main()) == "done"
    assert pressed == [True]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_handler_that_the_coroutine_sets_is_left_in_place(loop):
    def handler(*_):
        pass

    async def main():
        signal.signal(signal.SIGINT, handler)

    run_until_done(loop, main())
    assert signal.getsignal(signal.SIGINT) is handler
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_the_coroutine_runs_even_if_no_signal_handler_can_be_set(loop, monkeypatch):
    class Embedded:
        getsignal = staticmethod(signal.getsignal)

        def signal(self, *_):
            raise ValueError("signal only works in main thread of the main interpreter")

    async def main():
        return "done"

    monkeypatch.setattr(run_here, "_signals", Embedded())
    assert run_until_done(loop, main()) == "done"


def test_in_another_thread_no_handler_is_set(loop):
    async def main():
        return signal.getsignal(signal.SIGINT)

    assert in_new_thread(lambda: run_until_done(loop, main())) is signal.default_int_handler


# The tests below are about nested runs, inside a running loop whose runner has set a handler of its own.


class Interrupted:
    """Coroutines that Ctrl-C interrupts, and a log of how they end."""

    def __init__(self) -> None:
        self.log: list[str] = []

    async def inner(self) -> None:
        try:
            press_ctrl_c()
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            self.log.append("inner cleaned up")

    async def outer(self) -> None:
        try:
            block_on(self.inner(), nested="isolated")
        except asyncio.CancelledError:
            self.log.append("outer cancelled")
            raise


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_ctrl_c_cancels_a_nested_run_and_then_the_blocked_task(outer_factory, kind):
    if kind == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    it = Interrupted()
    with ctxpolicy.install(loop_factory=kind), pytest.raises(KeyboardInterrupt):
        ctxpolicy.run(it.outer(), loop_factory=outer_factory)
    assert it.log == ["inner cleaned up", "outer cancelled"]


def test_ctrl_c_wakes_a_nested_loop_that_sleeps(outer_factory):
    async def inner():
        await asyncio.get_running_loop().run_in_executor(None, press_ctrl_c)
        await asyncio.sleep(3600)

    async def outer():
        block_on(inner(), nested="isolated")

    with pytest.raises(KeyboardInterrupt):
        ctxpolicy.run(outer(), loop_factory=outer_factory)


def test_all_tasks_of_the_blocked_loop_are_cancelled_as_without_the_nested_run():
    it = Interrupted()

    async def other():
        try:
            await asyncio.Event().wait()
        finally:
            it.log.append("other cancelled")

    async def main():
        await asyncio.gather(other(), it.outer())

    with pytest.raises(KeyboardInterrupt):
        ctxpolicy.run(main())
    assert it.log == ["inner cleaned up", "outer cancelled", "other cancelled"]


def test_ctrl_c_cancels_nested_runs_from_the_inside_out():
    it = Interrupted()

    async def main():
        try:
            block_on(it.outer(), nested="isolated")
        finally:
            it.log.append("outermost cancelled")

    def in_block_on(coro):
        with ctxpolicy.install():
            block_on(coro)

    for run in ctxpolicy.run, in_block_on:
        with pytest.raises(KeyboardInterrupt):
            run(main())
        assert it.log == ["inner cleaned up", "outer cancelled", "outermost cancelled"]
        it.log.clear()


def test_a_nested_run_that_ignores_its_cancellation_ends_normally_and_then_the_outer_task_is_cancelled():
    log = []

    async def inner():
        press_ctrl_c()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return "a value"

    async def outer():
        log.append(block_on(inner(), nested="isolated"))
        await asyncio.sleep(3600)

    with pytest.raises(KeyboardInterrupt):
        ctxpolicy.run(outer())
    assert log == ["a value"]


def test_a_second_ctrl_c_is_raised_at_once_from_a_nested_run_too():
    log = []

    async def inner():
        press_ctrl_c()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            try:
                press_ctrl_c()
            except KeyboardInterrupt:
                log.append("at once")
                raise

    async def outer():
        block_on(inner(), nested="isolated")

    with pytest.raises(KeyboardInterrupt):
        ctxpolicy.run(outer())
    assert log == ["at once"]


def test_the_runners_handler_is_restored_after_a_nested_run():
    async def inner():
        return signal.getsignal(signal.SIGINT)

    async def outer():
        runners = signal.getsignal(signal.SIGINT)
        assert block_on(inner(), nested="isolated") is not runners
        assert signal.getsignal(signal.SIGINT) is runners

    ctxpolicy.run(outer())


@pytest.mark.parametrize("way", ["signal", "add_signal_handler"])
def test_only_the_programs_own_handler_is_called_in_a_nested_run(outer_factory, way):
    """block_on() cannot know the program's reaction to Ctrl-C, for example to stop after the current request."""
    pressed = []

    async def inner():
        press_ctrl_c()
        await asyncio.sleep(0)
        return "done"

    async def outer():
        loop = asyncio.get_running_loop()
        if way == "signal":
            signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
        else:
            loop.add_signal_handler(signal.SIGINT, pressed.append, True)
        assert block_on(inner(), nested="isolated") == "done"
        while not pressed:
            await asyncio.sleep(0)
        if way == "add_signal_handler":
            loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    ctxpolicy.run(outer(), loop_factory=outer_factory)
    assert pressed == [True]
