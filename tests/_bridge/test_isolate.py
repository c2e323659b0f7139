"""isolate() runs a function on a loop of its own in another thread, and the caller awaits the result."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import importlib.util
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import LoopFactoryError, OptionError, install, isolate
from ctxpolicy._asyncio.host import host
from ctxpolicy._loops.creation import creation_site
from tests._bridge.calls import Gate, here, started
from tests.support.policies import in_force
from tests.support.resolver_cases import ResolverCase

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


# The call.


def test_an_async_function_runs_on_a_loop_of_its_own_in_another_thread():
    async def main() -> None:
        loop, thread = await isolate(here)
        assert loop is not asyncio.get_running_loop()
        assert thread != threading.get_ident()

    asyncio.run(main())


def test_a_sync_function_runs_there_too_with_no_loop_running():
    async def main() -> None:
        assert await isolate(threading.get_ident) != threading.get_ident()
        with pytest.raises(RuntimeError, match="no running event loop"):
            await isolate(asyncio.get_running_loop)

    asyncio.run(main())


def test_arguments_go_in_and_the_result_comes_back():
    async def add(a: int, b: int) -> int:
        return a + b

    assert asyncio.run(isolate(add, 1, 2)) == 3
    assert asyncio.run(isolate(max, 1, 2)) == 2


def test_a_function_that_returns_an_awaitable_is_awaited():
    class Later:
        def __await__(self) -> Iterator[Any]:
            yield from asyncio.sleep(0).__await__()
            return "done"

    assert asyncio.run(isolate(Later)) == "done"


def test_contextvars_go_in_and_what_is_set_there_does_not_come_out():
    async def swap() -> str:
        previous = variable.get()
        variable.set("there")
        return previous

    async def main() -> tuple[str, str]:
        variable.set("here")
        return await isolate(swap), variable.get()

    assert asyncio.run(main()) == ("here", "here")


def test_an_exception_comes_back_with_its_traceback():
    async def breaks() -> None:
        raise LookupError("there")

    for function in (breaks, lambda: {}[0]):
        with pytest.raises(LookupError) as caught:
            asyncio.run(isolate(function))
        assert function.__code__.co_name in {frame.name for frame in traceback.extract_tb(caught.tb)}


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_an_exit_exception_comes_back_too(kind):
    def leave() -> None:
        raise kind("leaving")

    async def leave_later() -> None:
        await asyncio.sleep(0)
        leave()

    async def main(function: Callable[[], object]) -> str:
        try:
            await isolate(function)
        except kind as error:
            return str(error)
        return "nothing"

    assert asyncio.run(main(leave)) == asyncio.run(main(leave_later)) == "leaving"


@pytest.mark.logs_asyncio_errors(reason="no code can retrieve the SystemExit of the task")
def test_system_exit_of_another_task_there_ends_the_call():
    async def leave() -> None:
        sys.exit("another task")

    async def waits_forever() -> None:
        task = asyncio.ensure_future(leave())
        await asyncio.get_running_loop().create_future()
        await task

    async def main() -> None:
        with pytest.raises(SystemExit, match="another task"):
            await isolate(waits_forever)

    asyncio.run(main())


def test_a_function_that_stops_its_loop_before_it_is_done_is_an_error():
    async def stops() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match=r"stops.*stopped its loop before it was done"):
        asyncio.run(isolate(stops))


def test_a_function_that_stops_its_loop_and_is_done_is_no_error():
    async def stops() -> int:
        asyncio.get_running_loop().stop()
        return 1

    assert asyncio.run(isolate(stops)) == 1


def test_a_coroutine_in_place_of_a_function_is_refused():
    coroutine = here()
    with pytest.raises(OptionError, match=r"isolate\(f, x\) and not isolate\(f\(x\)\)"):
        asyncio.run(isolate(coroutine))  # type: ignore[arg-type]
    coroutine.close()


def test_isolate_cannot_be_awaited_outside_a_running_loop():
    coroutine = isolate(here)
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)


def test_subprocesses_can_be_run_there():
    async def spawn() -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
        return await process.wait()

    async def main() -> list[int]:
        return [await isolate(spawn), await isolate(spawn)]

    assert asyncio.run(main()) == [0, 0]


# The loop that is bound there.


def test_sync_code_finds_the_loop_and_can_run_it():
    def run() -> str:
        loop = asyncio.get_event_loop()
        assert loop.run_until_complete(here())[0] is loop
        return asyncio.run(asyncio.sleep(0, "ran"))

    assert asyncio.run(isolate(run)) == "ran"
    with install("contextvar"):
        assert asyncio.run(isolate(run)) == "ran"


def test_under_every_resolver_the_callers_loop_stays_bound_and_the_next_call_finds_no_loop_of_the_last(
    resolver_case: ResolverCase,
):
    def binds_another() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        assert asyncio.get_event_loop() is loop
        loop.close()

    with install(resolver_case.make()) as installation:
        policy, loop = installation.policy, asyncio.new_event_loop()

        def bound() -> list[asyncio.AbstractEventLoop | None]:
            if policy.resolver.bindings.is_thread_exclusive():
                return [policy.resolver.get(), asyncio.get_event_loop()]
            return [policy.resolver.get()]

        async def main() -> None:
            policy.set_event_loop(loop)
            if policy.resolver.bindings.is_thread_exclusive():
                await isolate(binds_another)
            mine, *asyncios = await isolate(bound)
            if policy.resolver.bindings.is_thread_exclusive():
                assert mine is not loop
                assert [mine] == asyncios
            else:
                assert mine is loop
            assert policy.resolver.get() is loop
            policy.set_event_loop(None)

        asyncio.run(main())
        loop.close()


def test_many_calls_at_once_leave_the_loop_of_the_process_bound():
    with install("process") as installation:
        policy = installation.policy

        async def main() -> None:
            bound = policy.resolver.get()
            assert bound is asyncio.get_running_loop()
            seen = await asyncio.gather(*(isolate(policy.resolver.get) for _ in range(20)))
            assert set(seen) == {bound} == {policy.resolver.get()}

        asyncio.run(main())


def test_the_function_runs_even_if_no_resolver_applies():
    with install(ctxpolicy.ChainResolver(ctxpolicy.TaskResolver())):
        loop = asyncio.new_event_loop()
        task = loop.create_task(isolate(here))
        assert loop.run_until_complete(task)[0] is not loop
        loop.close()


# Loop factories.


def test_the_loop_can_come_from_any_factory():
    class Special(asyncio.SelectorEventLoop):
        pass

    async def main() -> list[type]:
        return [type((await isolate(here, loop_factory=factory))[0]) for factory in (Special, "selector", "asyncio")]

    special, *others = asyncio.run(main())
    assert special is Special not in others
    assert all(issubclass(kind, asyncio.SelectorEventLoop) for kind in others)


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
def test_both_loops_can_be_uvloops():
    import uvloop

    async def main() -> None:
        loop, _ = await isolate(here, loop_factory="uvloop")
        assert isinstance(loop, uvloop.Loop)
        assert loop.is_closed()
        task = asyncio.ensure_future(isolate(asyncio.sleep, 100, loop_factory="uvloop"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        loop = factory()
        loop.run_until_complete(main())
        loop.close()


def test_without_a_factory_the_loop_comes_from_the_factory_of_the_policy_in_force():
    class Special(asyncio.SelectorEventLoop):
        pass

    with install(loop_factory=Special):
        assert type(asyncio.run(isolate(here))[0]) is Special
    with install(loop_factory="asyncio"):
        assert isinstance(asyncio.run(isolate(here))[0], asyncio.SelectorEventLoop)


def test_without_a_factory_the_loop_may_come_from_the_policy_of_another_project(monkeypatch):
    class Special(asyncio.SelectorEventLoop):
        pass

    class Policy:
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            return Special()

        def set_event_loop(self, loop: object) -> None:
            pass

    monkeypatch.setattr(type(host), "in_force", lambda _: Policy())
    assert type(asyncio.run(isolate(here))[0]) is Special


def test_sync_code_gets_its_loop_also_before_asyncios_policy_exists():
    with in_force(None), contextlib.closing(asyncio.SelectorEventLoop()) as loop:
        inner = loop.run_until_complete(isolate(asyncio.get_event_loop))
        assert isinstance(inner, asyncio.SelectorEventLoop)
        assert inner is not loop


def test_a_factory_that_fails_is_an_error_and_later_calls_work():
    def half_way() -> asyncio.AbstractEventLoop:
        with socket.socketpair()[0]:
            raise OSError("no more descriptors")

    async def main() -> None:
        for factory, words in ((half_way, "no more descriptors"), (lambda: None, "no event loop")):
            with pytest.raises(LoopFactoryError, match=words):
                await isolate(here, loop_factory=factory)  # type: ignore[arg-type]
        assert await isolate(max, 1, 2) == 2

    with pytest.warns(ResourceWarning) if sys.implementation.name != "pypy" else pytest.MonkeyPatch.context():
        asyncio.run(main())


def test_an_unknown_factory_is_an_error_before_anything_runs():
    with pytest.raises(LookupError, match="no loop factory is called 'nothing'"):
        asyncio.run(isolate(here, loop_factory="nothing"))


# The caller's loop is not affected.


async def wait_until_blocked_for(gate: Gate, times: float) -> float:
    """Wait, and return the time waited divided by the longest pause between two iterations of this loop."""
    longest, begin = 0.0, time.perf_counter()
    before = begin
    while True:
        await asyncio.sleep(0)
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
        if now - begin > times * longest:
            return (now - begin) / longest


@pytest.mark.parametrize("how", ["blocks its thread", "blocks its loop", "starves its loop"])
def test_isolated_code_that_blocks_or_starves_does_not_affect_the_callers_loop(how):
    gate = Gate()

    async def starve() -> None:
        gate.reached.set()
        while not gate.opened.is_set():
            pass

    function: Callable[[], object] = {
        "blocks its thread": gate.block,
        "blocks its loop": gate.block_loop,
        "starves its loop": starve,
    }[how]

    async def main() -> None:
        task = asyncio.ensure_future(isolate(function))
        await started(task, gate.reached)
        # The call is blocked for ten of the caller's longest iterations, and is not done before the gate opens.
        assert await wait_until_blocked_for(gate, 10) > 10
        assert not task.done()
        gate.opened.set()
        await task

    asyncio.run(main())


def test_the_place_of_the_loop_is_the_definition_of_the_function():
    async def function() -> str:
        return creation_site(asyncio.get_running_loop())

    place = f"{__file__}:{function.__code__.co_firstlineno} in "
    assert asyncio.run(isolate(function)).startswith(place)
    assert asyncio.run(isolate(function, loop_factory=lambda: asyncio.SelectorEventLoop())).startswith(f"{__file__}:")
