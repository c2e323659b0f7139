"""End a loop as ``asyncio.Runner`` does."""

from __future__ import annotations

from asyncio import AbstractEventLoop

from ctxpolicy._asyncio.capabilities import Runner
from ctxpolicy._asyncio.loop_internals import pending_work
from ctxpolicy._asyncio.running import suspended_running_loop

__all__ = ["shut_down"]


def shut_down(loop: AbstractEventLoop) -> None:
    """Do to ``loop`` what ``asyncio.Runner`` does at its end, and close it.

    Its tasks are cancelled (what they raise is reported), its asynchronous generators and default executor shut down,
    and what is ready meanwhile is done: a transport that was told to close closes its socket. Where another loop
    runs in this thread, that one stands still meanwhile.
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
