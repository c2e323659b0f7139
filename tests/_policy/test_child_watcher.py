"""Child processes on Python 3.10 to 3.13, where a policy has a child watcher."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import os
import sys
import threading
import warnings
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import ContextPolicy, ThreadResolver, install, using
from ctxpolicy._asyncio.capabilities import CHILD_WATCHERS_WARN, HAS_CHILD_WATCHERS
from ctxpolicy._asyncio.host import host
from tests.support.policies import Journal, default_policy, in_force, in_thread, subprocesses_in_threads, uvloop_policy

pytestmark = [
    pytest.mark.skipif(not HAS_CHILD_WATCHERS, reason="asyncio of this Python has no child watchers"),
    subprocesses_in_threads,
]

KINDS = ["PidfdChildWatcher", "ThreadedChildWatcher", "MultiLoopChildWatcher", "SafeChildWatcher", "FastChildWatcher"]
# These are notified of a child's end by a loop that runs in the main thread, or (MultiLoop) by a signal handler there.
IN_THE_MAIN_THREAD = {"SafeChildWatcher", "FastChildWatcher", "MultiLoopChildWatcher"}
if sys.version_info < (3, 12):
    IN_THE_MAIN_THREAD.add("PidfdChildWatcher")


@contextlib.contextmanager
def unwarned() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@unwarned()
def make(kind: str) -> Any:
    if kind == "PidfdChildWatcher" and not hasattr(os, "pidfd_open"):
        pytest.skip("this Python or system has no pidfd_open")
    return getattr(asyncio, kind)()


@unwarned()
def set_watcher(watcher: Any) -> None:
    asyncio.set_child_watcher(watcher)


@unwarned()
def watcher_in_use() -> Any:
    return asyncio.get_child_watcher()


async def child(status: int = 7, before_its_end: Callable[[], object] = lambda: None) -> int:
    """Run a child process, which ends only when it is watched, and return its status.

    MultiLoopChildWatcher sometimes reports 255 for a child that ends at once, under plain asyncio too: its signal
    handler may interrupt the first check of the child after the check has read the status.
    """
    process = await asyncio.create_subprocess_exec("/bin/sh", "-c", f"read line; exit {status}", stdin=PIPE)
    before_its_end()
    process.stdin.write(b"end\n")
    # MultiLoopChildWatcher waits for a signal handler, and asyncio does not wake the loop for it. If the signal arrives
    # just before the loop waits for events, the handler does not run until the wait ends: each wait must be short.
    ended = asyncio.ensure_future(process.wait())
    while not ended.done():
        await asyncio.wait([ended], timeout=0.05)
    return ended.result()


@pytest.fixture(autouse=True)
def own_policy() -> Iterator[Any]:
    """Put a new asyncio default policy in force around each test, and close its watchers after the test."""
    with in_force(default_policy()) as policy:
        yield policy
        asyncio.set_event_loop(None)
        policy.set_child_watcher(None) if not CHILD_WATCHERS_WARN else unwarned()(policy.set_child_watcher)(None)


@pytest.fixture(params=KINDS)
def watcher(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return a watcher of each kind in turn."""
    made = make(request.param)
    yield made
    made.close()


# --- the ways to have a resolver in force, with a watcher -------------------------------------------------------------


@contextlib.contextmanager
def installed_over_it(watcher: Any) -> Iterator[None]:
    set_watcher(watcher)
    with install("contextvar", missing="error"):
        yield


@contextlib.contextmanager
def installed_before_it(watcher: Any) -> Iterator[None]:
    with install("thread", missing="error"):
        set_watcher(watcher)
        yield
        asyncio.set_event_loop(None)
        set_watcher(None)


@contextlib.contextmanager
def set_plainly_before_it(watcher: Any) -> Iterator[None]:
    with in_force(ContextPolicy("task", missing="error")):
        set_watcher(watcher)
        yield
        asyncio.set_event_loop(None)
        set_watcher(None)


@contextlib.contextmanager
def in_a_using_block(watcher: Any) -> Iterator[None]:
    set_watcher(watcher)
    with using("contextvar"):
        yield


@contextlib.contextmanager
def set_in_a_using_block(watcher: Any) -> Iterator[None]:
    with using(ThreadResolver()):
        set_watcher(watcher)
        yield


@pytest.fixture(
    params=[installed_over_it, installed_before_it, set_plainly_before_it, in_a_using_block, set_in_a_using_block]
)
def watched(request: pytest.FixtureRequest, watcher: Any) -> Iterator[Any]:
    """Put each watcher in use, in each way."""
    with request.param(watcher):
        yield watcher


def test_the_watcher_that_was_set_is_in_use(watched):
    assert watcher_in_use() is watched
    assert in_thread(watcher_in_use) is watched


def test_a_child_of_a_loop_in_the_main_thread_is_waited_for(watched):
    for status in (3, 4):
        assert asyncio.run(child(status)) == status


def test_a_child_of_a_loop_that_is_bound_by_hand_is_waited_for(watched):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    assert asyncio.get_event_loop() is loop
    assert loop.run_until_complete(child()) == 7
    asyncio.set_event_loop(None)
    loop.close()


def test_children_of_loops_in_several_contexts_of_the_main_thread_are_waited_for(watched):
    for status in (3, 4):
        assert contextvars.copy_context().run(asyncio.run, child(status)) == status


def wait_until_told(started: threading.Event, told: threading.Event) -> None:
    started.set()
    told.wait()


async def in_threads(*statuses: int) -> list[int]:
    """Run one child for each status, each in the loop of another thread. The children end in order, one at a time.

    If they ended at once, two watchers would sometimes report 255, under plain asyncio too. SafeChildWatcher and
    MultiLoopChildWatcher check a new child at once in the loop's thread, while the main thread may check it as well.
    MultiLoopChildWatcher checks children in a signal handler, which the end of another child may interrupt.
    """
    events = [(threading.Event(), threading.Event()) for _ in statuses]
    jobs = [
        asyncio.ensure_future(asyncio.to_thread(asyncio.run, child(status, functools.partial(wait_until_told, *its))))
        for status, its in zip(statuses, events)
    ]
    # Polling: the kernel may deliver a signal to another thread, and its Python handler runs only when this thread
    # runs Python code.
    while not all(started.is_set() or job.done() for job, (started, _) in zip(jobs, events)):
        await asyncio.sleep(0)
    for job, (_, told) in zip(jobs, events):
        told.set()
        while not job.done():
            await asyncio.sleep(0)
    return [job.result() for job in jobs]


def test_children_of_loops_in_other_threads_are_waited_for_while_one_runs_in_the_main_thread(watched):
    assert asyncio.run(in_threads(3, 4)) == [3, 4]


def test_a_child_of_a_loop_in_a_plain_thread_is_waited_for_if_the_main_thread_is_not_needed(watched):
    if type(watched).__name__ in IN_THE_MAIN_THREAD:
        pytest.skip("this kind needs a loop that runs in the main thread")
    assert in_thread(asyncio.run, child()) == 7


# --- get and set as asyncio's own policy does them --------------------------------------------------------------------


def kept_by(policy: Any, journal: Journal) -> None:
    with in_force(policy):
        journal.note(lambda: asyncio.get_child_watcher() is asyncio.get_child_watcher())
        journal.note(lambda: type(policy.get_child_watcher()))
        journal.note(lambda: asyncio.set_child_watcher(None))
        journal.note(lambda: policy.set_child_watcher(None))
        journal.note(lambda: policy.set_child_watcher("a watcher"))
        journal.note(lambda: asyncio.set_child_watcher(5))


def test_get_and_set_return_and_warn_as_in_asyncios_own_policy(own_policy):
    asyncios, ours, in_a_block = Journal(), Journal(), Journal()
    kept_by(default_policy(), asyncios)
    kept_by(ContextPolicy(), ours)
    with using("task"):
        kept_by(host.in_force(), in_a_block)
    for mine, also_mine, theirs in zip(ours.notes, in_a_block.notes, asyncios.notes):
        assert mine.is_like(theirs)
        assert also_mine.is_like(theirs)
        assert bool(theirs.warned) == (CHILD_WATCHERS_WARN and theirs.error is None)


def test_a_custom_watcher_is_attached_as_asyncio_attaches_it():
    with unwarned():

        class Own(asyncio.AbstractChildWatcher):
            def __init__(self):
                self.attached = []

            def attach_loop(self, loop):
                self.attached.append(loop)

            def close(self):
                self.attached.append("closed")

    watcher, loop = Own(), asyncio.new_event_loop()
    with install("contextvar"):
        set_watcher(watcher)
        asyncio.set_event_loop(loop)
        in_thread(asyncio.set_event_loop, None)  # in other threads no watcher is attached
        asyncio.set_event_loop(None)
        assert watcher.attached == [loop, None]
        set_watcher(None)
        assert watcher.attached == [loop, None, "closed"]
    loop.close()


# --- the watcher of the previous policy -------------------------------------------------------------------------------


class Watching:
    """Records the calls of its methods. A subclass below is also a child watcher."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def attach_loop(self, loop):
        self.done.append(loop)

    def close(self):
        self.done.append("closed")


def watching() -> Any:
    with unwarned():
        return type("Watching", (Watching, asyncio.AbstractChildWatcher), {})()


def test_the_previous_policys_watcher_is_used_and_not_closed_when_another_is_set(own_policy):
    previous, first, second = watching(), watching(), watching()
    set_watcher(previous)
    with install("thread"):
        assert watcher_in_use() is previous
        set_watcher(first)
        assert watcher_in_use() is first
        set_watcher(second)
        assert first.done == ["closed"]
        set_watcher(None)
    assert second.done == ["closed"]
    assert previous.done == []
    assert watcher_in_use() is previous
    set_watcher(None)
    assert previous.done == ["closed"]


def test_the_policys_own_watcher_is_not_replaced_by_that_of_the_previous_policy(own_policy):
    previous, mine = watching(), watching()
    set_watcher(previous)
    policy = ContextPolicy("thread")
    unwarned()(policy.set_child_watcher)(mine)
    with install(policy):
        assert watcher_in_use() is mine
    assert watcher_in_use() is previous
    unwarned()(policy.set_child_watcher)(None)


def test_uninstalling_attaches_the_previous_policys_watcher_to_its_loop_again(own_policy):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    watcher = make("SafeChildWatcher")
    watcher.attach_loop(loop)
    set_watcher(watcher)
    with install("contextvar"):
        assert asyncio.run(child(3)) == 3
    assert asyncio.get_event_loop() is loop
    assert loop.run_until_complete(child(4)) == 4
    asyncio.set_event_loop(None)
    loop.close()


def test_uninstalling_attaches_no_loop_that_is_closed_or_of_another_thread(own_policy):
    watcher, loop = watching(), asyncio.new_event_loop()
    set_watcher(watcher)
    with install("thread"):
        pass
    assert watcher.done == []  # there was no loop
    asyncio.set_event_loop(loop)
    installation = install("thread")
    in_thread(installation.uninstall)  # a watcher can be attached in the main thread only
    installation = install("thread")
    loop.close()
    installation.uninstall()
    assert watcher.done == [loop]
    with install("thread"):
        asyncio.set_event_loop(None)
    assert watcher.done == [loop, None]


def test_outside_of_using_blocks_only_the_previous_policy_attaches_its_watcher(own_policy):
    watcher, loop, outside = watching(), asyncio.new_event_loop(), contextvars.copy_context()
    set_watcher(watcher)
    with using("thread"):
        outside.run(asyncio.set_event_loop, loop)
        assert watcher.done == [loop]
        asyncio.set_event_loop(loop)
        assert watcher.done == [loop, loop]
    asyncio.set_event_loop(None)
    loop.close()


def test_no_watcher_is_borrowed_from_a_policy_without_watchers():
    with in_force(uvloop_policy()), install("thread") as installation:
        assert installation.policy._borrowed_watcher is None
        assert ctxpolicy.run(child()) == 7
