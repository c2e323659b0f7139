"""Ctrl-C while a loop of this thread runs a coroutine, as asyncio.run() sees it through."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from ctxpolicy._lifetime import interrupt
from ctxpolicy._lifetime.interrupt import run_until_done
from ctxpolicy.testing import in_new_thread

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent another way there")


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with closing(asyncio.SelectorEventLoop()) as loop:
        yield loop


@pytest.fixture(autouse=True)
def pythons_own_handler() -> Iterator[None]:
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, former)


def test_it_cancels_the_coroutine_and_comes_up_after_its_end(loop):
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


def test_it_wakes_a_loop_that_sleeps(loop):
    async def main():
        await asyncio.get_running_loop().run_in_executor(None, press_ctrl_c)
        await asyncio.sleep(3600)

    with pytest.raises(KeyboardInterrupt):
        run_until_done(loop, main())
    loop.run_until_complete(loop.shutdown_default_executor())


def test_the_second_time_it_comes_up_at_once(loop):
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


def test_a_coroutine_that_is_cancelled_by_itself_says_so(loop):
    async def main():
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_until_done(loop, main())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 does not count who has cancelled")
def test_where_others_have_cancelled_it_too_it_is_cancelled(loop):
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


def test_where_signals_cannot_be_handled_the_coroutine_runs_all_the_same(loop, monkeypatch):
    class Embedded:
        getsignal = staticmethod(signal.getsignal)

        def signal(self, *_):
            raise ValueError("signal only works in main thread of the main interpreter")

    async def main():
        return "done"

    monkeypatch.setattr(interrupt, "_signals", Embedded())
    assert run_until_done(loop, main()) == "done"


def test_in_another_thread_there_is_no_ctrl_c(loop):
    async def main():
        return signal.getsignal(signal.SIGINT)

    assert in_new_thread(lambda: run_until_done(loop, main())) is signal.default_int_handler
