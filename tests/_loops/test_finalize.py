"""The end of a leased loop in a finalizer: no pending work is dropped without a warning."""

from __future__ import annotations

import asyncio
import socket
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import LoopFactoryError
from ctxpolicy.testing import THREADS_INHERIT_CONTEXT
from tests.support.policies import collect_garbage, in_thread

kept: list[Any] = []


async def generate() -> AsyncIterator[None]:
    yield


async def leave_a_generator() -> None:
    kept.append(generate())
    await kept[-1].__anext__()


async def leave_an_executor() -> None:
    await asyncio.get_running_loop().run_in_executor(None, int)


async def leave_a_task_asleep() -> None:
    asyncio.ensure_future(asyncio.sleep(60)).set_name("asleep")
    await asyncio.sleep(0)


async def leave_a_timer() -> None:
    asyncio.get_running_loop().call_later(60, divmod, 1, 0)


async def leave_a_callback() -> None:
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon, divmod, 1, 0)


async def leave_a_reader() -> None:
    reader, writer = socket.socketpair()
    kept[:] = reader, writer
    asyncio.get_running_loop().add_reader(reader, divmod, 1, 0)


@pytest.mark.logs_asyncio_errors(reason="a task is left pending")
@pytest.mark.parametrize(
    ("leave", "named"),
    [
        (leave_a_generator, "generate"),
        (leave_a_task_asleep, "Task pending name='asleep'"),
        (leave_a_timer, "TimerHandle .*divmod"),
        (leave_a_callback, "Handle .*divmod"),
        (leave_a_reader, r"file descriptor \d+, watched for .*divmod"),
        pytest.param(
            leave_an_executor,
            "the default executor",
            marks=pytest.mark.skipif(THREADS_INHERIT_CONTEXT, reason="the executor's thread has the lease too"),
        ),
    ],
)
def test_pending_work_in_a_leased_loop_whose_context_is_gone_is_named_with_the_place(
    leave: Callable[[], Any], named: str
):
    def job() -> threading.Thread:
        asyncio.get_event_loop().run_until_complete(leave())
        return threading.current_thread()

    with ctxpolicy.install(missing="create"):
        with pytest.warns(ResourceWarning, match=rf"leased at .*test_finalize.py:\d+ in job for .*{named}"):
            in_thread(job)
            collect_garbage()
    for thing in kept:
        if isinstance(thing, socket.socket):
            thing.close()
    kept.clear()


async def leave_a_cancelled_timer() -> None:
    asyncio.get_running_loop().call_later(60, divmod, 1, 0).cancel()


async def leave_a_cancelled_callback() -> None:
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: loop.call_soon(divmod, 1, 0).cancel())


@pytest.mark.parametrize("leave", [leave_a_cancelled_timer, leave_a_cancelled_callback])
def test_cancelled_work_is_not_named(leave: Callable[[], Any]):
    def job() -> None:
        asyncio.get_event_loop().run_until_complete(leave())

    with ctxpolicy.install(missing="create"):
        in_thread(job)
        collect_garbage()


def test_a_task_that_is_pending_when_its_context_is_gone_is_reported(caplog: pytest.LogCaptureFixture):
    """Our warning names the task if it outlives its loop's lease or if asyncio can list it; else asyncio logs it."""

    async def leave_a_task() -> None:
        asyncio.ensure_future(asyncio.Event().wait()).set_name("left over")
        await asyncio.sleep(0)

    def job() -> None:
        asyncio.get_event_loop().run_until_complete(leave_a_task())

    with ctxpolicy.install(missing="create"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        in_thread(job)
        collect_garbage()
    told = [str(warning.message) for warning in caught if "in job for" in str(warning.message)]
    assert any("left over" in text for text in [*told, *caplog.messages])


def test_a_loop_factory_that_fails_leaves_the_context_unchanged_and_is_called_again(resolver):
    answers: list[Any] = [OSError("no more descriptors"), None, asyncio.SelectorEventLoop]

    def factory() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer and answer()

    with ctxpolicy.install(resolver, missing="create", loop_factory=factory):
        for words in ("no more descriptors", "None"):
            with pytest.raises(LoopFactoryError, match=words):
                asyncio.get_event_loop()
            assert resolver.get() is None
        loop = asyncio.get_event_loop()
        assert asyncio.get_event_loop() is loop
        resolver.bindings.clear()
        collect_garbage()
        assert loop.is_closed()
