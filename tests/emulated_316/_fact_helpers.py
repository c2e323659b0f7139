"""The list of the facts, and helpers for them."""

from __future__ import annotations

import asyncio
import asyncio.events
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Fact = Callable[[], None]
Getter = Callable[[], asyncio.AbstractEventLoop]

FACTS: dict[str, Fact] = {}
OLDER: set[str] = set()

events: Any = asyncio.events
platform_events: Any = sys.modules["asyncio.windows_events" if sys.platform == "win32" else "asyncio.unix_events"]


def fact(function: Fact) -> Fact:
    """Add a fact that is true from Python 3.16 on to the list."""
    FACTS[function.__name__] = function
    return function


def older(function: Fact) -> Fact:
    """Add a fact that is true from Python 3.14 on to the list."""
    OLDER.add(function.__name__)
    return fact(function)


def getters() -> list[Getter]:
    """Return every implementation of get_event_loop: the public one, the one in Python and the one in C."""
    compiled = [events._c_get_event_loop] if hasattr(events, "_c_get_event_loop") else []
    return [asyncio.get_event_loop, events.get_event_loop, events._py_get_event_loop, *compiled]


def error_of(function: Callable[..., object], *args: object) -> BaseException:
    """Return the exception that the call raises."""
    try:
        function(*args)
    except Exception as error:  # noqa: BLE001 - the caller checks the class
        return error
    raise AssertionError(f"{function} raised nothing")


def answers(expected: asyncio.AbstractEventLoop | None) -> bool:
    """Return whether every getter returns this loop or, for ``None``, raises RuntimeError."""
    if expected is None:
        return all(isinstance(error_of(ask), RuntimeError) for ask in getters())
    return all(ask() is expected for ask in getters())


@contextmanager
def new_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Yield a loop that is closed afterwards."""
    loop = asyncio.new_event_loop()
    try:
        yield loop
    finally:
        loop.close()


def in_fork(function: Fact) -> int:
    """Return the exit status of a forked child that calls the function: 0 if the function raises nothing."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            function()
            status = 0
        except BaseException:  # noqa: BLE001 - the child must not continue as the parent
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Elsewhere:
    """A replacement for ``_local`` that keeps its loop elsewhere, as a host does."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.kept: list[asyncio.AbstractEventLoop | None] = [loop]

    @property
    def _loop(self) -> asyncio.AbstractEventLoop | None:
        return self.kept[-1]

    @_loop.setter
    def _loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self.kept.append(loop)
