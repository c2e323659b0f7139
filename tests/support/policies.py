"""Helpers for the tests of policies: put a policy in force, and record the outcomes of a program's calls under it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
import threading
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import pytest

from ctxpolicy._asyncio.capabilities import PolicyBase
from ctxpolicy._asyncio.host import host
from ctxpolicy._policy.using import blocks
from ctxpolicy.compat import restore_policies
from ctxpolicy.errors import NotALoopError

__all__ = [
    "NOT_A_LOOP",
    "Journal",
    "Note",
    "asyncio_alone",
    "collect_copies",
    "collect_garbage",
    "default_policy",
    "in_force",
    "in_thread",
    "returned",
    "set_policy",
    "settled",
    "subprocesses_in_threads",
    "tornado_policy",
    "uvloop_policy",
]

# asyncio 3.12 and 3.13 get their watcher inside warnings.catch_warnings(), which is not safe in two threads at once.
subprocesses_in_threads = pytest.mark.filterwarnings("ignore:'get_child_watcher' is deprecated:DeprecationWarning")

# The exception of asyncio.set_event_loop() under a policy of ours. asyncio 3.16 checks the type itself.
NOT_A_LOOP: type[Exception] = NotALoopError if hasattr(asyncio.events, "_event_loop_policy") else TypeError


def set_policy(policy: Any) -> None:
    """Call ``asyncio.set_event_loop_policy`` without the warning of 3.14, or do the same if it does not exist."""
    if not hasattr(asyncio.events, "set_event_loop_policy"):
        host.force(policy)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(policy)


@contextlib.contextmanager
def in_force(policy: Any) -> Iterator[Any]:
    """Put ``policy`` in force for the block, as ``asyncio.set_event_loop_policy`` does."""
    previous = host.in_force()
    set_policy(policy)
    try:
        yield policy
    finally:
        set_policy(previous)


def default_policy() -> Any:
    """Return a new instance of asyncio's default policy, or of the one that compat restores if asyncio has none."""
    return PolicyBase()


@contextlib.contextmanager
def asyncio_alone() -> Iterator[Any]:
    """Put no policy of ours in force for the block, with no loop set in any thread; yield asyncio's own policy."""
    events: Any = asyncio.events
    if hasattr(events, "_event_loop_policy"):
        with in_force(default_policy()) as policy:
            yield policy
        return
    with in_force(None):
        local = events._local
        events._local = type(local)()
        try:
            yield host.asyncio_policy()
        finally:
            events._local = local


def in_thread(function: Callable[..., Any], *args: Any, name: str | None = None) -> Any:
    """Call ``function`` in a new thread, in an empty contextvars context; return its result or raise its exception."""
    outcome: list[Any] = []

    def target() -> None:
        try:
            outcome.append((function(*args), None))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            outcome.append((None, error))

    thread = threading.Thread(target=target, name=name)
    contextvars.Context().run(
        thread.start
    )  # with -X thread_inherit_context=1 the thread starts in a copy of this empty context
    thread.join()
    return returned(outcome.pop())


def returned(outcome: tuple[Any, BaseException | None]) -> Any:
    """Return the result of a call in another thread, or raise its exception."""
    result, error = outcome
    del outcome
    if error is not None:
        try:
            raise error
        finally:
            del error  # otherwise the traceback and its frames keep each other alive
    return result


class Note(NamedTuple):
    """The outcome of one call.

    Attributes:
        result: the return value. A loop is replaced by its class, the number of its first appearance, and its state.
        error: the exception; ``None`` if none was raised.
        warned: category, message, file and line of each warning.
    """

    result: Any
    error: BaseException | None
    warned: list[tuple[type[Warning], str, str, int]]

    def is_like(self, asyncios: Note) -> bool:
        """Return whether this outcome is compatible with asyncio's: our messages may contain more."""
        if (self.result, self.warned) != (asyncios.result, asyncios.warned):
            return False
        if self.error is None or asyncios.error is None:
            return self.error is asyncios.error
        return isinstance(self.error, type(asyncios.error)) and str(self.error).startswith(str(asyncios.error))


class Journal:
    """Records the outcomes of a program's calls. At the end it closes the loops that the calls returned.

    Args:
        action: the action for warnings: ``"always"`` records them, ``"error"`` raises them.
    """

    def __init__(self, action: Literal["always", "error"] = "always") -> None:
        self._action = action
        self.notes: list[Note] = []
        self._loops: list[AbstractEventLoop] = []

    def note(self, call: Callable[..., Any], *args: Any) -> Any:
        """Call ``call``, record the outcome, and return the result (``None`` if the call raises)."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter(self._action)
            result, error = None, None
            try:
                result = call(*args)
            except Exception as raised:  # noqa: BLE001 - noted
                error = raised.with_traceback(None)
        warned = [(w.category, str(w.message), w.filename, w.lineno) for w in caught]
        self.notes.append(Note(self._named(result), error, warned))
        return result

    def loop(self) -> AbstractEventLoop:
        """Return a new asyncio loop that no policy has made."""
        loop: AbstractEventLoop = PolicyBase._loop_factory()
        self._named(loop)
        return loop

    def close(self) -> None:
        """Close every loop."""
        for loop in self._loops:
            loop.close()

    def _named(self, result: Any) -> Any:
        if not isinstance(result, AbstractEventLoop):
            return result
        if not any(result is loop for loop in self._loops):
            self._loops.append(result)
        number = next(n for n, loop in enumerate(self._loops) if loop is result)
        return type(result).__name__, number, result.is_closed()


def uvloop_policy() -> Any:
    """Return a new instance of uvloop's policy, or skip the test if uvloop has none."""
    uvloop = pytest.importorskip("uvloop", reason="needs the package uvloop, which is not installed")
    if sys.version_info >= (3, 16):
        pytest.skip("uvloop has no policy on this Python, whether or not asyncio has policies")
    with _policies():
        return uvloop.EventLoopPolicy()


def tornado_policy() -> Any:
    """Return a new instance of tornado's policy for any thread, or skip the test if tornado is not installed."""
    module = pytest.importorskip("tornado.platform.asyncio", reason="needs the package tornado, which is not installed")
    with _policies():
        return module.AnyThreadEventLoopPolicy()


@contextlib.contextmanager
def _policies() -> Iterator[None]:
    """Allow a library to create its policy, without the warnings of 3.14 and even if asyncio has no policies."""
    with restore_policies(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def collect_garbage() -> None:
    """Collect all garbage. A cycle with finalizers takes PyPy several collections."""
    for _ in range(4):
        gc.collect()


def collect_copies() -> None:
    """Collect the copies of the contexts of ended using blocks, which keep the temporary policy installed."""
    for _ in range(30):  # on PyPy each finalizer of a chain takes one collection, and the callbacks take one more
        if blocks.overrides:
            gc.collect()


def settled() -> Any:
    """Return the policy in force after the copies of ended using blocks are gone; on PyPy, collect them first."""
    if sys.implementation.name == "pypy":
        collect_copies()
    return host.in_force()
