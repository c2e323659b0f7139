"""Fork again and again in one state: ``python -W error -m tests.stress.forking STATE END COUNT``.

Each child must find nothing bound and must be able to run loops at once. After each child, however it ended, another
thread must still be able to wake the parent's loops.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import ctxpolicy
from ctxpolicy import ContextPolicy, block_on, fresh_loop, isolate
from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.running import running_loop

__all__ = ["ENDS", "STATES"]

# Seconds, far more than a wake-up takes. A loop that misses its wake-up would wait for ever.
_TIMEOUT: Final = 60
# The parent may have other threads. From Python 3.12 on, fork() warns about them.
_FORK_WARNING: Final = r".*multi-threaded, use of fork\(\)"

parents_loops: list[AbstractEventLoop] = []


def child(end: str, number: int, in_task: bool) -> None:
    """Act as the child: check that nothing is bound, drop the parent's loops (every other child), run loops, end."""
    try:
        assert running_loop() is None
        assert in_force().resolver.get() is None, "a binding of the parent"
        if number % 2:
            parents_loops.clear()
            gc.collect()
        for loop in parents_loops:
            assert asyncio.get_event_loop() is not loop
        assert asyncio.run(isolate(max, 1, 2)) == 2
        assert block_on(asyncio.sleep(0, "done")) == "done"
        with fresh_loop() as loop:
            loop.run_until_complete(asyncio.sleep(0))
        in_force().resolver.bindings.clear()
    except BaseException:  # noqa: BLE001 - the child must not continue as the parent
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    if end == "os._exit":
        os._exit(0)
    if in_task and sys.version_info >= (3, 14):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # asyncio reports that it cannot leave the task
    sys.exit(0)


def in_force() -> ContextPolicy:
    policy = host.in_force()
    assert isinstance(policy, ContextPolicy)
    return policy


class Forks:
    """Forks the given number of times."""

    def __init__(self, end: str, count: int) -> None:
        self._end = end
        self._count = count
        self._number = 0

    def more(self) -> bool:
        return self._number < self._count

    def fork(self) -> None:
        """Fork, wait for the child, and check that it succeeded."""
        self._number += 1
        in_task = running_loop() is not None
        pid = os.fork()
        if pid == 0:
            child(self._end, self._number, in_task)
        _, status = os.waitpid(pid, 0)
        assert status == 0, f"child number {self._number} ended with {status}"

    async def awaken(self, loop: AbstractEventLoop) -> None:
        """Check that another thread wakes the running loop."""
        woken = loop.create_future()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=[woken.set_result, None])
        thread.start()
        await asyncio.wait_for(woken, _TIMEOUT)
        thread.join()


def between_runs(forks: Forks) -> None:
    """A loop is bound by hand, and does not run."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    parents_loops.append(loop)
    while forks.more():
        forks.fork()
        loop.run_until_complete(forks.awaken(loop))
    asyncio.set_event_loop(None)
    loop.close()


def in_a_running_loop(forks: Forks) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        parents_loops.append(loop)
        while forks.more():
            forks.fork()
            await forks.awaken(loop)

    asyncio.run(main())


def under_a_loop_in_another_thread(forks: Forks) -> None:
    loop = asyncio.new_event_loop()
    parents_loops.append(loop)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    while forks.more():
        forks.fork()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(_TIMEOUT)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def with_leases_open(forks: Forks) -> None:
    """One lease in this context, one in another thread."""
    with ThreadPoolExecutor(1) as executor:
        loops = [asyncio.get_event_loop(), executor.submit(asyncio.get_event_loop).result()]
        parents_loops.extend(loops)
        while forks.more():
            forks.fork()
            loops[0].run_until_complete(forks.awaken(loops[0]))
            executor.submit(loops[1].run_until_complete, forks.awaken(loops[1])).result()


def in_scopes(forks: Forks) -> None:
    with fresh_loop() as outer, fresh_loop() as inner:
        parents_loops.extend([outer, inner])
        while forks.more():
            forks.fork()
            for loop in outer, inner:
                loop.run_until_complete(forks.awaken(loop))


def during_isolated_calls(forks: Forks) -> None:
    """Some threads of isolate() are idle, and one is busy."""

    async def main() -> None:
        loop, over = asyncio.get_running_loop(), threading.Event()
        parents_loops.append(loop)
        await asyncio.gather(*(isolate(asyncio.sleep, 0) for _ in range(3)))
        busy = asyncio.ensure_future(isolate(over.wait))
        while forks.more():
            await isolate(asyncio.sleep, 0)
            forks.fork()
            await forks.awaken(loop)
        over.set()
        await busy

    asyncio.run(main())


def under_a_nested_run(forks: Forks) -> None:
    """In a loop that runs inside another running loop."""

    async def inner() -> None:
        loop = asyncio.get_running_loop()
        parents_loops.append(loop)
        forks.fork()
        await forks.awaken(loop)

    async def outer() -> None:
        loop = asyncio.get_running_loop()
        parents_loops.append(loop)
        while forks.more():
            block_on(inner(), nested="isolated")
            await forks.awaken(loop)

    asyncio.run(outer())


STATES: Final[dict[str, Callable[[Forks], None]]] = {
    state.__name__: state
    for state in (
        between_runs,
        in_a_running_loop,
        under_a_loop_in_another_thread,
        with_leases_open,
        in_scopes,
        during_isolated_calls,
        under_a_nested_run,
    )
}
ENDS: Final = ("os._exit", "sys.exit")


def main(state: str, end: str, count: str) -> None:
    warnings.filterwarnings("ignore", _FORK_WARNING, DeprecationWarning)
    with ctxpolicy.install(missing="create"):
        STATES[state](Forks(end, int(count)))
    ctxpolicy.close_isolate_pool()
    print(f"{count} forks")


if __name__ == "__main__":
    main(*sys.argv[1:])
