"""LoopLocal: the closing of resources, even if closing one of them fails."""

import asyncio
import sys

import pytest

from ctxpolicy import LoopLocal, LoopLocalError
from ctxpolicy._lifetime import loop_local
from tests.support.policies import collect_garbage


class Unusual(BaseException):
    """An exception like those of pytest's outcomes: not an Exception, and not one that ends the program."""


class Failing:
    """Two LoopLocals in a loop. Closing the first of them to be closed fails."""

    def __init__(self, error):
        self.error = error
        self.closed, self.reported = [], []
        self.locals = LoopLocal(object, close=self.closed.append), LoopLocal(object, close=self.fail)

    async def fail(self, _):
        raise self.error

    async def main(self):
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.reported.append(context))
        for local in self.locals:
            await local.get()

    def check(self):
        assert len(self.closed) == 1
        (report,) = self.reported
        assert report["exception"] is self.error
        assert "LoopLocal of object" in report["message"]


@pytest.mark.parametrize("error", [ValueError("cannot close"), asyncio.CancelledError(), Unusual()], ids=repr)
def test_a_close_that_raises_is_reported_and_the_others_are_closed(error):
    failing = Failing(error)
    asyncio.run(failing.main())
    failing.check()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_close_that_ends_the_program_does_so_after_the_others_are_closed(error):
    failing = Failing(error)
    with pytest.raises(type(error)):
        asyncio.run(failing.main())
    failing.check()


def test_a_close_that_awaits_a_cancelled_task_does_not_prevent_the_others():
    class Refreshed:
        def __init__(self):
            self.task = asyncio.ensure_future(asyncio.Event().wait())

        async def aclose(self):
            await self.task

    log, reported = [], []
    first, second = LoopLocal(object, close=log.append), LoopLocal(Refreshed, close=Refreshed.aclose)

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
        await first.get()
        await second.get()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert len(log) == 1
    assert [type(error) for error in reported] == [asyncio.CancelledError]


def test_if_the_shutdown_is_cancelled_the_others_are_closed_and_the_cancellation_is_raised():
    closing = []
    first = LoopLocal(object, close=closing.append)

    async def hang(value):
        closing.append(value)
        await asyncio.Event().wait()

    second = LoopLocal(object, close=hang)

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        values = [await first.get(), await second.get()]
        shutdown = asyncio.ensure_future(loop.shutdown_asyncgens())
        while not closing:
            await asyncio.sleep(0)
        shutdown.cancel()
        with pytest.raises(asyncio.CancelledError):
            await shutdown
        assert closing == values[::-1]

    asyncio.run(main())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 does not count cancellations")
@pytest.mark.parametrize("by_others", [False, True])
def test_the_closing_task_is_cancelled_only_by_other_code(by_others):
    """The test does not use shutdown_asyncgens(), which does not show the outcome of the tasks that it makes."""
    failing = Failing(asyncio.CancelledError())

    async def close_all():
        if by_others:
            asyncio.current_task().cancel()
        await loop_local._find(asyncio.get_running_loop()).generator.aclose()

    async def fail(_):
        await asyncio.sleep(0)  # a cancellation by others is raised here
        raise failing.error

    async def main():
        failing.locals = failing.locals[0], LoopLocal(object, close=fail)
        await failing.main()
        (outcome,) = await asyncio.gather(close_all(), return_exceptions=True)
        return isinstance(outcome, asyncio.CancelledError)

    assert asyncio.run(main()) is by_others
    assert len(failing.closed) == 1


def test_if_the_shutdown_is_abandoned_the_other_resources_are_named_in_a_warning():
    first = LoopLocal(lambda: "the client", close=lambda _: None)
    second = LoopLocal(object, close=lambda _: asyncio.Event().wait())

    async def main():
        await first.get()
        await second.get()
        closing = loop_local._find(asyncio.get_running_loop()).generator.aclose()
        closing.send(None)
        with pytest.raises(StopIteration):  # the end of a generator's aclose() after a GeneratorExit
            closing.throw(GeneratorExit)

    with pytest.warns(ResourceWarning, match="never closed: 'the client'"):
        asyncio.run(main())
        for _ in range(4):
            collect_garbage()


# The tests below are about aclose(), which closes a resource before its loop ends.


class Resource:
    def __init__(self):
        self.closed = 0

    async def aclose(self):
        await asyncio.sleep(0)
        self.closed += 1


def test_aclose_closes_a_resource_once_and_get_makes_a_new_one():
    local, other = LoopLocal(Resource, close=Resource.aclose), LoopLocal(Resource, close=Resource.aclose)

    async def main():
        first, untouched = await local.get(), await other.get()
        await local.aclose()
        assert (first.closed, untouched.closed) == (1, 0)
        with pytest.raises(LookupError, match="await its get"):
            local.get_nowait()
        await local.aclose()
        second = await local.get()
        assert second is not first
        assert second is local.get_nowait()
        return first, untouched, second

    assert [resource.closed for resource in asyncio.run(main())] == [1, 1, 1]


@pytest.mark.parametrize("used", [False, True], ids=["none was made in the loop", "others were made in the loop"])
def test_aclose_does_nothing_if_no_resource_was_made(used):
    closed = []
    local = LoopLocal(object, close=closed.append)

    async def main():
        if used:
            await LoopLocal(object).get()
        await local.aclose()

    asyncio.run(main())
    assert closed == []


def test_aclose_does_not_close_a_resource_that_is_being_made():
    async def slow():
        await asyncio.sleep(0)
        return Resource()

    local = LoopLocal(slow, close=Resource.aclose)

    async def main():
        making = asyncio.ensure_future(local.get())
        await asyncio.sleep(0)
        await local.aclose()
        resource = await making
        assert resource.closed == 0
        assert resource is local.get_nowait()
        return resource

    assert asyncio.run(main()).closed == 1


def test_a_task_that_waited_for_a_resource_that_is_closed_meanwhile_gets_a_new_one():
    async def slow():
        await asyncio.sleep(0)
        return Resource()

    local = LoopLocal(slow, close=Resource.aclose)

    async def make_and_close():
        resource = await local.get()
        await local.aclose()
        return resource

    async def main():
        old, new = await asyncio.gather(make_and_close(), local.get())
        assert old is not new is local.get_nowait()
        assert (old.closed, new.closed) == (1, 0)

    asyncio.run(main())


def test_a_new_resource_can_be_made_while_aclose_closes_the_old_one():
    seen = []

    async def close(value):
        seen.append((value, await local.get()))

    local = LoopLocal(object, close=close)

    async def main():
        await local.get()
        await local.aclose()
        (old, new), *_ = seen
        assert old is not new is local.get_nowait()
        await asyncio.get_running_loop().shutdown_asyncgens()
        assert seen[1:] == [(new, new)], "the shutdown makes no newer resource"

    asyncio.run(main())


@pytest.mark.parametrize("error", [ValueError("cannot close"), asyncio.CancelledError(), SystemExit(3)], ids=repr)
def test_an_exception_during_aclose_is_raised_and_the_resource_is_gone(error):
    failing = Failing(error)

    async def main():
        await failing.main()
        with pytest.raises(type(error)):
            await failing.locals[1].aclose()

    asyncio.run(main())
    assert len(failing.closed) == 1
    assert failing.reported == []


def test_aclose_may_be_awaited_while_the_loop_is_shut_down():
    older = LoopLocal(Resource, close=Resource.aclose)

    async def close(_):
        await older.aclose()
        await younger.aclose()  # does nothing, because the resource is being closed
        with pytest.raises(LoopLocalError):
            await older.get()

    younger = LoopLocal(object, close=close)
    reported = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        resource = await older.get()
        await younger.get()
        return resource

    assert asyncio.run(main()).closed == 1
    assert reported == []
