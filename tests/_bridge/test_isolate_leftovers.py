"""isolate(): the next call sees nothing that a call leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import signal
import socket
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from ctxpolicy import install, isolate
from tests._bridge.calls import Gate
from tests.support.policies import collect_garbage


def leave_a_task() -> None:
    kept.append(asyncio.ensure_future(asyncio.sleep(100)))


def leave_a_timer() -> None:
    asyncio.get_running_loop().call_later(100, print)


def leave_a_cancelled_timer() -> None:
    asyncio.get_running_loop().call_later(100, print).cancel()


def leave_a_callback() -> None:
    asyncio.get_running_loop().call_soon(kept.append, "called back")


def leave_an_exception_handler() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)


def leave_debug_mode() -> None:
    asyncio.get_running_loop().set_debug(not asyncio.get_running_loop().get_debug())


def leave_a_task_factory() -> None:
    asyncio.get_running_loop().set_task_factory(lambda loop, coro, **options: asyncio.Task(coro, loop=loop, **options))


def leave_an_executor() -> None:
    asyncio.get_running_loop().run_in_executor(None, print, "")


def leave_another_loop_bound() -> None:
    asyncio.set_event_loop(other_loop)


def leave_a_slow_callback_duration() -> None:
    asyncio.get_running_loop().slow_callback_duration = 100


def leave_an_attribute() -> None:
    asyncio.get_running_loop().left = True  # type: ignore[attr-defined]


def leave_the_loop_itself() -> None:
    kept.append(asyncio.get_running_loop())


def leave_a_weak_reference() -> None:
    kept.append(weakref.WeakKeyDictionary({asyncio.get_running_loop(): "left"}))


def leave_a_future() -> None:
    kept.append(asyncio.get_running_loop().create_future())


def leave_a_reader() -> None:
    asyncio.get_running_loop().add_reader(sockets[0], print)


def leave_a_thread_that_keeps_the_loop() -> None:
    gate = Gate()
    thread = threading.Thread(target=gate.block, args=[asyncio.get_running_loop()])
    thread.start()
    kept.append((gate, thread))


def leave_an_asynchronous_generator() -> None:
    async def generate() -> AsyncIterator[None]:
        yield

    generator = generate()
    with pytest.raises(StopIteration):
        generator.__anext__().send(None)
    kept.append(generator)


def leave_a_running_marker() -> None:
    asyncio.get_running_loop().call_soon(asyncio._set_running_loop, asyncio.get_running_loop())


other_loop: asyncio.AbstractEventLoop
sockets: tuple[socket.socket, socket.socket]
kept: list[Any] = []
LEAVERS = [thing for name, thing in sorted(globals().items()) if name.startswith("leave_")]


@pytest.fixture
def things_to_leave() -> Iterator[None]:
    global other_loop, sockets
    other_loop, sockets = asyncio.new_event_loop(), socket.socketpair()
    yield
    for thing in kept:
        if isinstance(thing, tuple):
            thing[0].opened.set()
            thing[1].join()
    kept.clear()
    other_loop.close()
    for each in sockets:
        each.close()


async def look() -> dict[str, object]:
    loop: Any = asyncio.get_running_loop()
    return {
        "exception handler": loop.get_exception_handler(),
        "debug": loop.get_debug(),
        "task factory": loop.get_task_factory(),
        "slow callback duration": loop.slow_callback_duration,
        "tasks": len(asyncio.all_tasks()),
        "attributes": sorted(vars(loop)),
        "executor": loop._default_executor,
        "timers": list(loop._scheduled),
        "generators": len(loop._asyncgens),
        "watched": len(loop._selector.get_map()),
        "known to another": [each for each in kept if isinstance(each, weakref.WeakKeyDictionary) and loop in each],
        "kept": [each for each in kept if each is loop],
    }


def bound() -> object:
    return asyncio.get_event_loop().is_closed()


@pytest.mark.parametrize("leave", LEAVERS, ids=lambda leave: leave.__name__.removeprefix("leave_"))
@pytest.mark.parametrize("policy", [None, "contextvar", "thread", "task"])
def test_the_next_call_does_not_see_what_one_call_leaves_behind(leave, policy, threads, things_to_leave):
    async def main() -> None:
        new = await isolate(look)
        await isolate(_coroutine_of(leave))
        if leave is leave_another_loop_bound:
            other_loop.close()
        assert await isolate(look) == new
        assert await isolate(bound) is False

    with contextlib.nullcontext() if policy is None else install(policy):
        asyncio.run(main())


def _coroutine_of(function: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def call() -> None:
        function()

    return call


def test_leftover_tasks_are_cancelled_and_asynchronous_generators_closed_before_isolate_returns():
    ends: list[str] = []

    async def stay() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ends.append("task")

    async def generate() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.sleep(0)
            ends.append("generator")

    async def leaves() -> None:
        kept.append(asyncio.ensure_future(stay()))
        kept.append(generate())
        async for _ in kept[-1]:
            break
        await asyncio.sleep(0)

    async def main() -> None:
        await isolate(leaves)
        assert ends == ["task", "generator"]

    asyncio.run(main())
    kept.clear()


def test_ready_callbacks_of_a_changed_loop_run_before_isolate_returns():
    log: list[str] = []

    async def leave() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, loop.call_soon, log.append, "called")

    async def main() -> None:
        await isolate(leave)
        assert log == ["called"]

    asyncio.run(main())


def test_signal_handlers_cannot_be_set_in_an_isolated_call():
    async def handle() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)

    async def main() -> None:
        with pytest.raises((ValueError, RuntimeError), match="main"):
            await isolate(handle)

    asyncio.run(main())


def test_a_loop_left_running_in_another_thread_is_an_error():
    threads: list[threading.Thread] = []

    def run_elsewhere() -> None:
        loop = asyncio.get_event_loop()
        running = threading.Event()
        loop.call_soon(running.set)
        threads.append(threading.Thread(target=loop.run_forever))
        contextvars.Context().run(threads[0].start)  # a thread that inherits this context would keep the lease
        running.wait()
        kept.append(loop)

    async def main() -> None:
        with pytest.raises(RuntimeError, match="cannot end while its loop is running"):
            await isolate(run_elsewhere)
        collect_garbage()
        kept[0].call_soon_threadsafe(kept[0].stop)
        threads[0].join()
        kept.pop().close()
        assert await isolate(max, 1, 2) == 2

    with pytest.warns(ResourceWarning, match="still running at the end of its lease"):
        asyncio.run(main())


class StaysRunning(asyncio.SelectorEventLoop):
    """A loop that leaves itself as the running loop of its thread, with its hooks for asynchronous generators."""

    def run_forever(self) -> None:
        super().run_forever()
        asyncio._set_running_loop(self)
        sys.set_asyncgen_hooks(print, print)


def test_a_loop_that_stays_the_running_loop_of_its_thread_does_not_disturb_the_next_call():
    def state() -> tuple[object, ...]:
        return threading.get_ident(), asyncio._get_running_loop(), *sys.get_asyncgen_hooks()

    async def main() -> None:
        thread = await isolate(threading.get_ident)
        await isolate(asyncio.sleep, 0, loop_factory=StaysRunning)
        assert await isolate(state) == (thread, None, None, None)

    asyncio.run(main())
