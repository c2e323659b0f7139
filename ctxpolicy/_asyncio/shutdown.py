"""Shut a loop down as ``asyncio.Runner`` does."""

from __future__ import annotations

from asyncio import AbstractEventLoop

from ctxpolicy._asyncio.capabilities import Runner
from ctxpolicy._asyncio.loop_internals import pending_work
from ctxpolicy._asyncio.running import suspended_running_loop

__all__ = ["shut_down"]


def shut_down(loop: AbstractEventLoop) -> None:
    """Shut ``loop`` down as ``asyncio.Runner`` does at its end, and close it.

    The tasks of the loop are cancelled (an exception that a task raises is reported), its asynchronous generators and
    its default executor are shut down, and its ready callbacks run, so that a transport that is closing closes its
    socket. If another loop runs in this thread, that loop is blocked meanwhile.
    """
    if loop.is_closed():
        return
    if not pending_work(loop, unknown=True):
        loop.close()
        return
    with suspended_running_loop():
        runner = Runner(loop_factory=lambda: loop)
        runner.get_loop()
        runner.close()
