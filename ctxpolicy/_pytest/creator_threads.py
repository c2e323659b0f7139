"""Find the thread that created a loop or a thread pool.

The thread is recorded for every loop of asyncio's own classes, regardless of who creates the loop, and for every loop
that one of the plugin's loop factories makes.
"""

from __future__ import annotations

import functools
import threading
import weakref
from asyncio import AbstractEventLoop, BaseEventLoop
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from ctxpolicy._loops.creation import record_creation
from ctxpolicy._loops.factories import LoopFactory, loop_factory

__all__ = ["creator_thread", "recording_creator_threads", "recording_factory", "thread_pools"]

_threads: Final[weakref.WeakKeyDictionary[Any, weakref.ref[threading.Thread]]] = weakref.WeakKeyDictionary()


def creator_thread(created: AbstractEventLoop | ThreadPoolExecutor) -> threading.Thread | None:
    """Return the thread that created a loop or a thread pool, ``None`` if the thread is not known."""
    thread = _threads.get(created)
    return None if thread is None else thread()


def thread_pools() -> list[ThreadPoolExecutor]:
    """Return the recorded thread pools that are alive."""
    # Not an iteration over the dictionary itself: another thread can add to it meanwhile.
    alive = (reference() for reference in _threads.keyrefs())
    return [created for created in alive if isinstance(created, ThreadPoolExecutor)]


@contextmanager
def recording_creator_threads() -> Iterator[None]:
    """Record the creator threads during the block, with patched constructors.

    A policy cannot record them: it sees only the loops that it makes itself, and a call of ``SelectorEventLoop()`` uses
    no policy.
    """
    with ExitStack() as stack:
        for kind, record in ((BaseEventLoop, _record_loop), (ThreadPoolExecutor, _record)):
            previous = vars(kind)["__init__"]
            kind.__init__ = _recording_init(previous, record)  # type: ignore[method-assign]
            stack.callback(setattr, kind, "__init__", previous)
        yield


def recording_factory(factory: LoopFactory | str) -> LoopFactory:
    """Return a loop factory that makes its loops with ``factory`` and records the thread."""
    make = loop_factory(factory)

    @functools.wraps(make)
    def recording() -> AbstractEventLoop:
        loop = make()
        if isinstance(loop, AbstractEventLoop):  # for any other object the policy raises
            _record(loop)
        return loop

    return recording


def _record(created: Any) -> None:
    _threads[created] = weakref.ref(threading.current_thread())


def _record_loop(loop: BaseEventLoop) -> None:
    record_creation(loop)
    _record(loop)


def _recording_init(previous: Callable[..., None], record: Callable[[Any], None]) -> Callable[..., None]:
    @functools.wraps(previous)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - the name that a traceback shows
        previous(self, *args, **kwargs)
        record(self)

    return __init__
