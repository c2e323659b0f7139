"""What a test has left behind: found, and made harmless to the next one."""

from __future__ import annotations

import asyncio
import threading
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ctxpolicy._asyncio import host, leave_running, running_loop, shut_down
from ctxpolicy._inherited import watched
from ctxpolicy._origin import origin
from ctxpolicy._policy import ContextPolicy

__all__ = ["Owned", "Watch"]

_OUR_THREADS: Final = "ctxpolicy-"  # the pool of isolate() stays, by design
_PATIENCE: Final = 0.2  # seconds for threads that are about to end


class Owned:
    """What fixtures that live longer than a test have made: it stays, and is no leak."""

    def __init__(self) -> None:
        self.loops: weakref.WeakSet[AbstractEventLoop] = weakref.WeakSet()
        self.threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Add what is made in the block."""
        loops, threads = set(watched()), set(threading.enumerate())
        try:
            yield
        finally:
            self.loops.update(loop for loop in watched() if loop not in loops)
            self.threads.update(thread for thread in threading.enumerate() if thread not in threads)

    def owns(self, thread: threading.Thread) -> bool:
        """Tell whether ``thread`` was made so, or works for the default executor of a loop that was."""
        executors = [getattr(loop, "_default_executor", None) for loop in self.loops]
        return thread in self.threads or any(thread in getattr(executor, "_threads", ()) for executor in executors)


class Watch:
    """What is there when a test begins.

    Args:
        owned: what is not the test's.
        policy: the policy that it is to find and to leave in force.
    """

    def __init__(self, owned: Owned, policy: ContextPolicy) -> None:
        self._owned = owned
        self._policy = policy
        self._loops = set(watched())
        self._threads = set(threading.enumerate())

    def clean_up(self) -> list[str]:
        """Return a line for each thing that the test has left, after making it harmless."""
        loops = watched()  # held here: one that is bound only would be gone with its binding, unreported
        self._policy.resolver.clear()  # leases end by this, as they should
        return [*self._policy_replaced(), *self._marker_left(), *self._loops_left(loops), *self._threads_left()]

    def _policy_replaced(self) -> Iterator[str]:
        now = host.in_force()
        if now is not self._policy:
            host.force(self._policy)
            yield f"the event loop policy was replaced by {now!r}: restore it in the test, or in its fixture"

    def _marker_left(self) -> Iterator[str]:
        loop = running_loop()
        if loop is not None and loop not in self._owned.loops:
            leave_running()
            yield f"{_name(loop)} is still marked as running in this thread, so that asyncio.run() would be refused"

    def _loops_left(self, loops: list[AbstractEventLoop]) -> Iterator[str]:
        for loop in loops:
            if loop in self._loops or loop in self._owned.loops:
                continue
            for task in asyncio.all_tasks(loop):
                yield f"{task!r} of {_name(loop)} was never awaited to its end"
            if not loop.is_closed():
                running = loop.is_running()
                if not running:
                    shut_down(loop)
                yield f"{_name(loop)} was left {'running' if running else 'open'}: close it, or make it by asyncio.run()"

    def _threads_left(self) -> Iterator[str]:
        for thread in set(threading.enumerate()) - self._threads:
            if not thread.name.startswith(_OUR_THREADS) and not self._owned.owns(thread):
                thread.join(_PATIENCE)
                if thread.is_alive():
                    yield f"{thread!r} was left running: join it, or shut its executor down"


def _name(loop: AbstractEventLoop) -> str:
    return f"{loop!r}, made at {origin(loop)},"
