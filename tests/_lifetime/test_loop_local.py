"""LoopLocal: one resource per loop, closed when the loop is shut down."""

import asyncio
import gc
import weakref

import pytest

import ctxpolicy
from ctxpolicy import LoopLocal, LoopLocalError, NoCurrentLoopError
from ctxpolicy._lifetime import loop_local


class Resource:
    def __init__(self, name="it"):
        self.name = name
        self.loop = asyncio.get_running_loop()
        self.closed_in = None

    async def aclose(self):
        await asyncio.sleep(0)
        self.closed_in = asyncio.get_running_loop()

    def close(self):
        self.closed_in = asyncio.get_running_loop()


async def make():
    await asyncio.sleep(0)
    return Resource()


@pytest.mark.parametrize("factory", [Resource, make])
@pytest.mark.parametrize("close", [Resource.close, Resource.aclose])
def test_each_loop_has_its_own_resource_which_is_closed_before_the_loop(factory, close):
    local = LoopLocal(factory, close=close)

    async def main():
        first, second = await asyncio.gather(local.get(), local.get())
        assert first is second is local.get_nowait()
        return first

    one, other = asyncio.run(main()), asyncio.run(main())
    assert one is not other
    for resource in (one, other):
        assert resource.closed_in is resource.loop
        assert resource.loop.is_closed()


def test_the_resource_is_made_once_even_if_many_tasks_ask_at_the_same_time():
    made = []

    async def slow():
        made.append(1)
        await asyncio.sleep(0)
        return object()

    async def main():
        local = LoopLocal(slow)
        return await asyncio.gather(*(local.get() for _ in range(50)))

    assert len(set(asyncio.run(main()))) == len(made) == 1


def test_if_the_task_that_makes_the_resource_is_cancelled_the_next_task_makes_it():
    started = []

    async def slow():
        started.append(1)
        await asyncio.sleep(0 if len(started) > 1 else 3600)
        return "made"

    async def main():
        local = LoopLocal(slow)
        first, second = asyncio.create_task(local.get()), asyncio.create_task(local.get())
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(main()) == "made"
    assert len(started) == 2


def test_a_factory_that_raises_is_called_again_by_the_next_get():
    answers = [ValueError("not yet"), "made"]

    def factory():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def main():
        local = LoopLocal(factory)
        with pytest.raises(ValueError, match="not yet"):
            await local.get()
        return await local.get()

    assert asyncio.run(main()) == "made"


def test_resources_are_closed_in_reverse_order_after_the_tasks_were_cancelled():
    log = []

    def closing(name):
        def close(_):
            log.append(f"close {name}")

        return close

    first, second = (LoopLocal(object, close=closing(name)) for name in ("first", "second"))

    async def user():
        try:
            await asyncio.Event().wait()
        finally:
            log.append("task cancelled")

    async def main():
        await first.get()
        await second.get()
        asyncio.get_running_loop().user = asyncio.create_task(user())
        await asyncio.sleep(0)

    asyncio.run(main())
    assert log == ["task cancelled", "close second", "close first"]


def test_a_resource_may_use_an_older_resource_while_it_is_closed():
    seen = []
    older = LoopLocal(object)

    async def close(_):
        seen.append((await older.get(), older.get_nowait()))

    younger = LoopLocal(object, close=close)

    async def main():
        value = await older.get()
        await younger.get()
        return value

    value = asyncio.run(main())
    assert seen == [(value, value)]


def test_no_resource_is_made_in_a_loop_that_was_shut_down():
    made = []
    local = LoopLocal(lambda: made.append(1))

    async def main():
        await LoopLocal(object).get()
        await asyncio.get_running_loop().shutdown_asyncgens()
        with pytest.raises(LoopLocalError, match="has been shut down"):
            await local.get()
        assert made == []

    asyncio.run(main())


def test_a_resource_that_is_made_during_the_shutdown_of_the_loop_is_closed_again():
    closed = []

    async def factory():
        await asyncio.get_running_loop().shutdown_asyncgens()
        return "made too late"

    local = LoopLocal(factory, close=closed.append)

    async def main():
        await LoopLocal(object).get()
        with pytest.raises(LoopLocalError):
            await local.get()

    asyncio.run(main())
    assert closed == ["made too late"]


def test_get_nowait_returns_only_a_resource_that_was_made():
    local = LoopLocal(object)
    with pytest.raises(NoCurrentLoopError, match="no loop is running"):
        local.get_nowait()

    async def main():
        with pytest.raises(LookupError, match="await its get"):
            local.get_nowait()
        await LoopLocal(object).get()
        with pytest.raises(LookupError, match="await its get"):
            local.get_nowait()

    asyncio.run(main())


def test_a_loop_that_is_closed_without_shutdown_causes_a_warning_that_names_the_resource():
    local = LoopLocal(lambda: "the client", close=lambda _: None)

    def leave():
        loop = asyncio.new_event_loop()
        loop.run_until_complete(local.get())
        loop.close()

    with pytest.warns(ResourceWarning, match=r"never closed: 'the client' of <LoopLocal of .*lambda"):
        leave()
        for _ in range(4):
            gc.collect()


def test_a_resource_that_refers_to_its_loop_does_not_keep_the_loop_alive():
    local = LoopLocal(Resource, close=Resource.close)

    async def main():
        await local.get()
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(main())
    for _ in range(4):
        gc.collect()
    assert loop() is None


def test_a_loop_to_which_no_attribute_can_be_added_works(monkeypatch):
    class Slotted(asyncio.SelectorEventLoop):
        def __setattr__(self, name, value):
            if name == loop_local._ATTRIBUTE:
                raise AttributeError(name)
            super().__setattr__(name, value)

    local = LoopLocal(Resource, close=Resource.close)

    async def main():
        assert await local.get() is local.get_nowait()
        return await local.get()

    resource = ctxpolicy.run(main(), loop_factory=Slotted)
    assert resource.closed_in is resource.loop
    assert not loop_local._without_attributes


def test_an_argument_that_is_not_callable_is_refused():
    with pytest.raises(TypeError, match="factory must be callable"):
        LoopLocal("no")
    with pytest.raises(TypeError, match="close must be callable"):
        LoopLocal(object, close="no")


def test_resources_work_under_uvloop():
    pytest.importorskip("uvloop", reason="uvloop is not installed")
    local = LoopLocal(Resource, close=Resource.aclose)
    resource = ctxpolicy.run(local.get(), loop_factory="uvloop")
    assert resource.closed_in is resource.loop


def test_resources_work_under_anyio():
    anyio = pytest.importorskip("anyio", reason="anyio is not installed")
    local = LoopLocal(Resource, close=Resource.aclose)
    resource = anyio.run(local.get)
    assert resource.closed_in is resource.loop
