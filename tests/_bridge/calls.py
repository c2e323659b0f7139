"""Functions that the tests of isolated calls run in their threads."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

__all__ = ["Gate", "here", "started"]


async def here() -> tuple[asyncio.AbstractEventLoop, int]:
    await asyncio.sleep(0)
    return asyncio.get_running_loop(), threading.get_ident()


async def started(task: asyncio.Task[Any], event: threading.Event) -> None:
    """Wait, without blocking this loop, until ``event`` is set in another thread."""
    while not event.is_set():
        assert not task.done()
        await asyncio.sleep(0)


class Gate:
    """A gate at which an isolated function waits, in its thread or in its loop, until the test opens the gate."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.calls: list[object] = []

    def block(self, result: object = None) -> object:
        self.reached.set()
        self.opened.wait()
        self.calls.append(result)
        return result

    async def block_loop(self, result: object = None) -> object:
        return self.block(result)

    async def wait(self) -> None:
        """Wait for a cancellation."""
        self.reached.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.calls.append("ended")
