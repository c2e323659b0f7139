"""Every law of the contract, for the resolver `trio` in a chain: a context is a Trio task."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from queue import SimpleQueue
from typing import Any

import pytest

from ctxpolicy import ChainResolver, ContextResolver, ThreadResolver
from ctxpolicy.testing import ResolverContract, Run, thread_context

trio = pytest.importorskip("trio", reason="needs the package trio, which is not installed")

from ctxpolicy.resolvers.trio import TrioResolver  # noqa: E402 - needs trio

Answer = tuple[bool, Any]


class TrioThread:
    """A Trio run in a thread of its own, until its last task ends."""

    current = threading.local()

    def __init__(self) -> None:
        self.users = 0
        self._ready: SimpleQueue[None] = SimpleQueue()
        self._thread = threading.Thread(target=trio.run, args=(self._main,), daemon=True)
        self._thread.start()
        self._ready.get()

    async def _main(self) -> None:
        self.current.run = self
        self._token, self._end = trio.lowlevel.current_trio_token(), trio.Event()
        async with trio.open_nursery() as self._nursery:
            self._ready.put(None)
            await self._end.wait()

    def start(self, serve: Callable[..., Any], *args: Any) -> None:
        """Start a task. If the caller is a task of this Trio run, the new task inherits from it."""
        if getattr(self.current, "run", None) is self:
            self._nursery.start_soon(serve, *args)
        else:
            self.soon(self._nursery.start_soon, serve, *args)

    def soon(self, function: Callable[..., Any], *args: Any) -> None:
        self._token.run_sync_soon(function, *args)

    def release(self) -> None:
        self.users -= 1
        if not self.users:
            self.soon(self._end.set)
            self._thread.join()


async def serve(calls: Any, answers: SimpleQueue[Answer]) -> None:
    async for function in calls:
        try:
            answer = True, function()
        except BaseException as error:  # noqa: BLE001 - raised in the caller of run()
            answer = False, error
        del function
        answers.put(answer)
        del answer
    answers.put((True, None))


@contextmanager
def trio_context() -> Iterator[Run]:
    """Make a Trio task, in the present Trio run if there is one. The task ends with the block."""

    def run(function: Callable[[], Any], /) -> Any:
        thread.soon(send.send_nowait, function)
        fine, answer = answers.get()
        if not fine:
            raise answer
        return answer

    thread = getattr(TrioThread.current, "run", None) or TrioThread()
    thread.users += 1
    send, receive = trio.open_memory_channel(1)
    answers: SimpleQueue[Answer] = SimpleQueue()
    thread.start(serve, receive, answers)
    try:
        yield run
    finally:
        thread.soon(send.close)
        answers.get()  # the last answer of the task
        thread.release()


class TestTrio(ResolverContract):
    inherits = True

    def make_resolver(self) -> ContextResolver:
        return ChainResolver(TrioResolver(), ThreadResolver())

    def new_context(self) -> AbstractContextManager[Run]:
        return trio_context()


class TestOutsideOfTrio(TestTrio):
    inherits = False

    def new_context(self) -> AbstractContextManager[Run]:
        return thread_context()
