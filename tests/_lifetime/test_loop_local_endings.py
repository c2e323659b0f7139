"""LoopLocal: how its resources are closed, whatever their closing comes to."""

import asyncio
import sys

import pytest

from ctxpolicy import LoopLocal
from ctxpolicy._lifetime import loop_local
from tests.policies import collect_garbage


class Unusual(BaseException):
    """As pytest's outcomes are: no Exception, and no end of the program."""


class Failing:
    """Two LoopLocals in a loop, of which the one that is closed first cannot be."""

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
def test_a_close_that_ends_the_program_does_so_when_the_others_are_closed(error):
    failing = Failing(error)
    with pytest.raises(type(error)):
        asyncio.run(failing.main())
    failing.check()


def test_a_close_that_awaits_a_task_which_the_shutdown_has_cancelled_takes_no_other_along():
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


def test_where_the_shutdown_itself_is_cancelled_the_others_are_closed_and_it_says_so():
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


@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 does not tell who has cancelled")
@pytest.mark.parametrize("by_others", [False, True])
def test_the_task_that_closes_them_is_cancelled_only_by_others(by_others):
    """Not by shutdown_asyncgens(), which does not say what becomes of the tasks that it makes."""
    failing = Failing(asyncio.CancelledError())

    async def close_all():
        if by_others:
            asyncio.current_task().cancel()
        await loop_local._find(asyncio.get_running_loop()).generator.aclose()

    async def fail(_):
        await asyncio.sleep(0)  # where a cancellation by others comes in
        raise failing.error

    async def main():
        failing.locals = failing.locals[0], LoopLocal(object, close=fail)
        await failing.main()
        (outcome,) = await asyncio.gather(close_all(), return_exceptions=True)
        return isinstance(outcome, asyncio.CancelledError)

    assert asyncio.run(main()) is by_others
    assert len(failing.closed) == 1


def test_where_nobody_waits_for_the_shutdown_any_more_the_others_are_named_in_a_warning():
    first = LoopLocal(lambda: "the client", close=lambda _: None)
    second = LoopLocal(object, close=lambda _: asyncio.Event().wait())

    async def main():
        await first.get()
        await second.get()
        closing = loop_local._find(asyncio.get_running_loop()).generator.aclose()
        closing.send(None)
        with pytest.raises(StopIteration):  # as a generator's aclose() ends then
            closing.throw(GeneratorExit)

    with pytest.warns(ResourceWarning, match="never closed: 'the client'"):
        asyncio.run(main())
        for _ in range(4):
            collect_garbage()
