"""Context managers that make contexts of the usual kinds. Each yields a callable that runs functions in the context."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from ctxpolicy._asyncio.capabilities import platform_loop
from ctxpolicy._asyncio.running import running_loop

__all__ = ["Run", "contextvars_context", "greenlet_context", "in_new_thread", "task_context", "thread_context"]

T = TypeVar("T")


class Run(Protocol):
    """A callable that runs a function in a context. It returns the function's result, or raises its exception."""

    def __call__(self, function: Callable[[], T], /) -> T: ...


class _Call(Generic[T]):
    """A function that is called elsewhere, and its result."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._results: list[T] = []
        self._error: BaseException | None = None

    def __call__(self) -> None:
        function = self._function
        del self._function  # a reference to this call must not keep the objects of the function alive
        try:
            self._results.append(function())
        except BaseException as error:  # noqa: BLE001 - raised in the thread or context of the caller
            self._error = error

    def result(self) -> T:
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # otherwise the traceback would be part of a reference cycle
        return self._results.pop()


def in_new_thread(function: Callable[[], T]) -> T:
    """Call ``function`` in a plain new thread, and return its result."""
    with thread_context() as run:
        return run(function)


@contextmanager
def contextvars_context() -> Iterator[Run]:
    """Make a contextvars context, a copy of the present one."""
    yield contextvars.copy_context().run


@contextmanager
def thread_context() -> Iterator[Run]:
    """Make a thread; it ends with the block."""
    calls: SimpleQueue[tuple[_Call[Any], threading.Event] | None] = SimpleQueue()

    def work() -> None:
        while (job := calls.get()) is not None:
            call, done = job
            call()
            done.set()
            del call, done, job

    def run(function: Callable[[], T], /) -> T:
        call, done = _Call(function), threading.Event()
        calls.put((call, done))
        done.wait()
        return call.result()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield run
    finally:
        calls.put(None)
        thread.join()


@contextmanager
def task_context() -> Iterator[Run]:
    """Make an asyncio task. The task ends with the block.

    Inside another task that was made by this function, the new task uses the same loop; otherwise it gets a new loop.
    The loop runs only while a function runs in one of its tasks, in the thread that runs the function.
    """
    loop = _Loop.present()
    task = _Task(loop)
    try:
        yield task.run
    finally:
        task.end()
        loop.release()


class _Loop:
    """A loop that is closed when its last task ends."""

    _of: ClassVar[dict[asyncio.AbstractEventLoop, _Loop]] = {}

    def __init__(self) -> None:
        self.loop = platform_loop()
        self.users = 0
        self._of[self.loop] = self

    @classmethod
    def present(cls) -> _Loop:
        running = running_loop()
        found = (running and cls._of.get(running)) or cls()
        found.users += 1
        return found

    def release(self) -> None:
        self.users -= 1
        if not self.users:
            del self._of[self.loop]
            self.loop.close()


class _Task:
    def __init__(self, loop: _Loop) -> None:
        self.loop = loop.loop
        self.call: _Call[Any] | None = None
        self.wake = asyncio.Event()
        self.task = self.loop.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            await self.wake.wait()
            self.wake.clear()
            if self.call is None:
                return
            self.call()
            self.loop.stop()

    def run(self, function: Callable[[], T], /) -> T:
        call: _Call[T] = _Call(function)
        self.call = call
        self.wake.set()
        self.loop.run_forever()
        self.call = None
        return call.result()

    def end(self) -> None:
        self.wake.set()
        self.loop.run_until_complete(self.task)


@contextmanager
def greenlet_context() -> Iterator[Run]:
    """Make a greenlet; it ends with the block. Functions run in it only in the first thread that uses it."""
    import greenlet

    def work(call: _Call[Any] | None) -> None:
        while call is not None:
            call()
            call = None
            call = caller[0].switch()

    def run(function: Callable[[], T], /) -> T:
        call = _Call(function)
        switch(call)
        return call.result()

    def switch(call: _Call[Any] | None) -> None:
        caller.append(greenlet.getcurrent())
        try:
            context.parent = caller[0]  # the greenlet that runs when this one ends
            context.switch(call)
        finally:
            caller.clear()

    caller: list[Any] = []
    context = greenlet.greenlet(work)
    try:
        yield run
    finally:
        switch(None)
