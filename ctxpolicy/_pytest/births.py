"""Where loops are made, and in which thread: noted for every loop of asyncio's, by whomever it is made."""

from __future__ import annotations

import functools
import threading
import weakref
from asyncio import AbstractEventLoop, BaseEventLoop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ctxpolicy._origin import note_origin

__all__ = ["birthplace", "noting_births"]

_threads: Final[weakref.WeakKeyDictionary[AbstractEventLoop, weakref.ref[threading.Thread]]] = (
    weakref.WeakKeyDictionary()
)


def birthplace(loop: AbstractEventLoop) -> threading.Thread | None:
    """Return the thread that made ``loop``, ``None`` where that is not known (a loop that is not asyncio's own)."""
    thread = _threads.get(loop)
    return None if thread is None else thread()


@contextmanager
def noting_births() -> Iterator[None]:
    """Note them in the block; a policy notes only what it makes itself, and ``SelectorEventLoop()`` asks none."""
    former = vars(BaseEventLoop)["__init__"]
    BaseEventLoop.__init__ = _noting(former)  # type: ignore[method-assign]
    try:
        yield
    finally:
        BaseEventLoop.__init__ = former  # type: ignore[method-assign]


def _noting(former: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(former)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        former(self, *args, **kwargs)
        note_origin(self)
        _threads[self] = weakref.ref(threading.current_thread())

    return __init__
