"""A program that has loops in all states and starts worker processes.

Usage: ``python -m tests._bridge.worker_processes METHOD KIND``, with a start method of multiprocessing and a loop
factory.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext

import ctxpolicy
from ctxpolicy import LoopLocal, block_on, fresh_loop, isolate
from ctxpolicy._asyncio.host import host


class Client:
    def __init__(self) -> None:
        self.process = os.getpid()
        self.open = True

    async def aclose(self) -> None:
        assert self.process == os.getpid(), "another process's client"
        self.open = False


clients = LoopLocal(Client, close=Client.aclose)


def install(kind: str) -> None:
    # From Python 3.12 on, fork() warns about the parent's threads.
    warnings.filterwarnings("ignore", r".*multi-threaded, use of fork\(\)", DeprecationWarning)
    ctxpolicy.install(missing="create", loop_factory=kind)


async def client() -> Client:
    await asyncio.sleep(0)
    return await clients.get()


def work(number: int) -> tuple[int, int]:
    """Use a loop of each kind; return the process id and ``number``."""
    leased = asyncio.get_event_loop()
    assert leased.run_until_complete(asyncio.sleep(0, "leased")) == "leased"
    with fresh_loop() as loop:
        assert loop.run_until_complete(asyncio.sleep(0, "in a scope")) == "in a scope"
    assert loop.is_closed()
    assert asyncio.get_event_loop() is leased
    assert asyncio.run(isolate(os.getpid)) == os.getpid()
    for used in asyncio.run(client()), asyncio.run(isolate(client)):
        assert not used.open
    assert block_on(asyncio.sleep(0, number)) == number
    return os.getpid(), number


def start_one(processes: BaseContext, kind: str) -> int:
    """Start one process, wait for its end, and return its exit code."""
    child = processes.Process(target=start, args=(kind,))
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode


def start(kind: str) -> None:
    if not isinstance(host.in_force(), ctxpolicy.ContextPolicy):  # a process that is not forked
        install(kind)
    work(1)
    sys.exit(7)


async def main(processes: BaseContext, kind: str) -> None:
    """Start processes from a running loop that has a client and has made isolated calls."""
    loop = asyncio.get_running_loop()
    used = await client()
    await asyncio.gather(isolate(client), isolate(client))
    assert start_one(processes, kind) == 7
    with ProcessPoolExecutor(2, mp_context=processes, initializer=install, initargs=(kind,)) as pool:
        done = await asyncio.gather(*(loop.run_in_executor(pool, work, number) for number in range(6)))
    assert [number for _, number in done] == list(range(6))
    assert os.getpid() not in {process for process, _ in done}
    assert await client() is used
    assert used.open
    # This loop is still woken by other threads.
    woken = loop.create_future()
    threading.Thread(target=loop.call_soon_threadsafe, args=[woken.set_result, None]).start()
    await asyncio.wait_for(woken, 60)


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    install(sys.argv[2])
    leased = asyncio.get_event_loop()
    with fresh_loop() as scope:
        assert start_one(context, sys.argv[2]) == 7
        asyncio.run(main(context, sys.argv[2]))
        assert asyncio.get_event_loop() is scope
    assert asyncio.get_event_loop() is leased
    leased.run_until_complete(asyncio.sleep(0))
    print("done")
