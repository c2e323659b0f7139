"""Which thread has made a loop or a thread pool, whoever had it made.

It is noted for all of asyncio's loops, and for those of other kinds that a loop factory makes.
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

__all__ = ["birthplace", "noting", "noting_births", "thread_pools"]

_threads: Final[weakref.WeakKeyDictionary[Any, weakref.ref[threading.Thread]]] = weakref.WeakKeyDictionary()


def birthplace(thing: AbstractEventLoop | ThreadPoolExecutor) -> threading.Thread | None:
    """Return the thread that made ``thing``, ``None`` where that is not known."""
    thread = _threads.get(thing)
    return None if thread is None else thread()


def thread_pools() -> list[ThreadPoolExecutor]:
    """Return the thread pools that are alive."""
    made = (reference() for reference in _threads.keyrefs())  # not by an iterator, which another thread may disturb
    return [thing for thing in made if isinstance(thing, ThreadPoolExecutor)]


@contextmanager
def noting_births() -> Iterator[None]:
    """Note them in the block; a policy notes only what it makes itself, and ``SelectorEventLoop()`` asks none."""
    with ExitStack() as stack:
        for kind, note in ((BaseEventLoop, _note_loop), (ThreadPoolExecutor, _note)):
            former = vars(kind)["__init__"]
            kind.__init__ = _noting(former, note)  # type: ignore[method-assign]
            stack.callback(setattr, kind, "__init__", former)
        yield


def noting(factory: LoopFactory | str) -> LoopFactory:
    """Return a loop factory that does as ``factory``, and notes the thread."""
    make = loop_factory(factory)

    @functools.wraps(make)
    def made() -> AbstractEventLoop:
        loop = make()
        if isinstance(loop, AbstractEventLoop):  # else the policy complains of it
            _note(loop)
        return loop

    return made


def _note(thing: Any) -> None:
    _threads[thing] = weakref.ref(threading.current_thread())


def _note_loop(loop: BaseEventLoop) -> None:
    record_creation(loop)
    _note(loop)


def _noting(former: Callable[..., None], note: Callable[[Any], None]) -> Callable[..., None]:
    @functools.wraps(former)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        former(self, *args, **kwargs)
        note(self)

    return __init__
