"""The pending work of a loop, and other internals of asyncio's loops and tasks."""

from __future__ import annotations

import asyncio
import socket
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from ctxpolicy._asyncio.loop_internals import (
    ident_of_running_thread,
    pending_work,
    silence_destroyed,
    source_traceback,
)
from ctxpolicy.testing import StandInLoop
from tests.support.policies import collect_garbage


@pytest.fixture
def loop() -> Iterator[asyncio.SelectorEventLoop]:
    made = asyncio.SelectorEventLoop()
    yield made
    made.close()


def things_in(loop: Any) -> list[object]:
    return [item.thing for item in pending_work(loop)]


async def step() -> None:
    await asyncio.sleep(0)


def end(loop: asyncio.AbstractEventLoop, *tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def test_a_new_loop_has_no_pending_work(loop):
    assert pending_work(loop) == pending_work(loop, unknown=True) == []


def test_a_loop_of_another_kind_reports_its_tasks_and_perhaps_hidden_work():
    loop = StandInLoop()
    assert pending_work(loop) == []
    (hidden,) = pending_work(loop, unknown=True)
    assert "a default executor of" in str(hidden)


def test_an_asyncio_loop_without_a_selector_reports_no_watched_descriptors():
    loop = asyncio.base_events.BaseEventLoop()
    handle = loop.call_later(60, step)
    assert things_in(loop) == [handle]
    loop.close()


def test_a_timer_and_a_callback_are_pending_work_until_they_are_cancelled(loop):
    handles = [loop.call_soon(step), loop.call_later(60, step)]
    assert things_in(loop) == handles
    for handle in handles:
        handle.cancel()
    assert things_in(loop) == []


def test_readers_and_writers_are_pending_work_but_the_self_pipe_is_not(loop):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        loop.add_reader(ours, step)
        loop.add_writer(theirs, step)
        assert [str(item).split(" for ")[0] for item in pending_work(loop)] == [
            f"file descriptor {end.fileno()}, watched" for end in (ours, theirs)
        ]
        loop.remove_reader(ours)
        loop.remove_writer(theirs)
    assert pending_work(loop) == []


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make asyncio list no tasks, as it does up to Python 3.13 after the garbage collector has found them."""
    monkeypatch.setattr("ctxpolicy._asyncio.loop_internals._tasks_of", lambda loop: set())


@pytest.mark.parametrize("known", [True, False])
def test_a_task_is_listed_once_and_in_place_of_the_handle_that_would_wake_it(loop, known, request):
    asleep = loop.create_task(asyncio.sleep(60))
    loop.run_until_complete(step())
    if not known:
        request.getfixturevalue("forgotten")
    ready = loop.create_task(step())
    assert set(things_in(loop)) == {asleep, ready}
    assert len(things_in(loop)) == 2
    end(loop, asleep, ready)


def test_a_task_that_waits_for_another_task_is_listed_too(loop, forgotten):
    async def wait_for(other: asyncio.Task[None]) -> None:
        await other

    asleep = loop.create_task(asyncio.sleep(60))
    asleep.add_done_callback(repr)
    waiting = [loop.create_task(wait_for(asleep)) for _ in range(2)]
    loop.run_until_complete(step())
    assert set(things_in(loop)) == {asleep, *waiting}
    end(loop, asleep, *waiting)


def test_a_future_whose_callbacks_lead_back_to_it_is_visited_once(loop):
    future = loop.create_future()
    future.add_done_callback(future.remove_done_callback)
    handle = loop.call_later(60, repr, future)
    assert things_in(loop) == [handle]


def test_a_pending_item_is_formatted_only_on_demand(loop):
    class Callback:
        def __call__(self) -> None: ...

        def __repr__(self) -> str:
            raise RuntimeError("no words")

    loop.call_soon(Callback())
    (item,) = pending_work(loop)
    with pytest.raises(RuntimeError, match="no words"):
        str(item)


def test_the_thread_of_a_loop_is_known_while_the_loop_runs(loop):
    async def ident() -> int | None:
        return ident_of_running_thread(loop)

    assert ident_of_running_thread(loop) is None
    assert loop.run_until_complete(ident()) == threading.get_ident()
    assert ident_of_running_thread(StandInLoop()) is None


async def wait_for_nothing() -> None:
    await asyncio.get_running_loop().create_future()


def test_a_silenced_task_may_be_destroyed_while_it_is_pending(loop):
    messages: list[str] = []
    loop.set_exception_handler(lambda _, report: messages.append(report["message"]))
    for silenced in (False, True):
        messages.clear()
        task = loop.create_task(wait_for_nothing())
        loop.run_until_complete(step())
        if silenced:
            silence_destroyed(task)
        end_of = weakref.ref(task)
        del task
        collect_garbage()
        assert end_of() is None
        assert messages == ["Task was destroyed but it is pending!"] * (not silenced)


def test_the_place_where_a_task_was_created_is_known_in_debug_mode(loop):
    for debug in (False, True):
        loop.set_debug(debug)
        task = loop.create_task(step())
        found = source_traceback(task)
        assert (found is not None) is debug
        if found is not None:
            assert any(frame.name.startswith("test_the_place_where_a_task") for frame in found)
        loop.run_until_complete(task)
