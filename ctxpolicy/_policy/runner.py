"""Runs coroutines as asyncio does, under a resolver."""

from __future__ import annotations

import contextvars
from asyncio import AbstractEventLoop
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar, final

from ctxpolicy._asyncio.capabilities import Runner as _AsyncioRunner
from ctxpolicy._asyncio.running import running_loop
from ctxpolicy._loops.factories import LoopFactory, make_loop
from ctxpolicy._loops.factories import loop_factory as named_loop_factory
from ctxpolicy._policy.using import using
from ctxpolicy._threads import thread_name
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["Runner", "run"]

T = TypeVar("T")


@final
class Runner:
    """Run several coroutines in one loop, as :class:`asyncio.Runner` does (on Python 3.10 too).

    Args:
        resolver: the resolver in effect from the first use to :meth:`close`, in this contextvars context only, as with
            :class:`~ctxpolicy.using`; ``None``: the resolver of the policy in force.
        debug: the loop's debug mode; ``None``: asyncio's default.
        loop_factory: the factory of the loop: a callable or a name. With it, asyncio does not bind the loop, and does
            not use the policy.
    """

    def __init__(
        self,
        *,
        resolver: ContextResolver | str | None = None,
        debug: bool | None = None,
        loop_factory: LoopFactory | str | None = None,
    ) -> None:
        factory = None if loop_factory is None else named_loop_factory(loop_factory)
        self._runner = _AsyncioRunner(debug=debug, loop_factory=None if factory is None else lambda: make_loop(factory))
        self._block = None if resolver is None else using(resolver)
        self._started = False

    def __enter__(self) -> Runner:
        self._start()
        self._runner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, coro: Coroutine[Any, Any, T], *, context: contextvars.Context | None = None) -> T:
        """Run ``coro`` in the loop and return its result.

        Args:
            coro: a coroutine (from 3.14 on any awaitable, as with asyncio).
            context: the contextvars context to run it in; ``None``: the runner's own context, a copy of the context in
                which the runner was started. In a context that was copied before the start, ``resolver`` has no effect.

        Raises:
            RuntimeError: a loop is running in this thread, or the runner is closed.
        """
        if running_loop() is None:  # else asyncio's runner raises, and no loop is created
            self._start()
        return self._runner.run(coro, context=context)

    def get_loop(self) -> AbstractEventLoop:
        """Return the runner's loop."""
        self._start()
        return self._runner.get_loop()

    def close(self) -> None:
        """Cancel the remaining tasks, shut the loop down and close it.

        Raises:
            InstallationError: the runner has a ``resolver``, and was started in another contextvars context. The loop
                is closed anyway.
        """
        try:
            self._runner.close()
        finally:
            if self._block is not None and self._started:
                self._started = False
                self._block.__exit__(None, None, None)

    def _start(self) -> None:
        if self._block is None or self._started:
            return
        self._block.__enter__()
        try:
            self._runner.get_loop()
        except BaseException:  # the runner is closed, or no loop can be made
            self._block.__exit__(None, None, None)
            raise
        self._started = True


def run(
    main: Coroutine[Any, Any, T],
    *,
    resolver: ContextResolver | str | None = None,
    loop_factory: LoopFactory | str | None = None,
    debug: bool | None = None,
) -> T:
    """Run ``main`` in a new loop and return its result, as :func:`asyncio.run` does.

    Args:
        main: the coroutine.
        resolver, loop_factory, debug: see :class:`Runner`. Two threads may run under different resolvers at once.

    Raises:
        RuntimeError: a loop is running in this thread.
    """
    if running_loop() is not None:
        # Checked before the runner is started, which creates a loop. Runner.run() would refuse only after that.
        raise RuntimeError(
            f"ctxpolicy.run() cannot be called from a running event loop (in thread {thread_name()}). Await the "
            "coroutine, or run it with ctxpolicy.block_on(..., nested='isolated')."
        )
    with Runner(resolver=resolver, debug=debug, loop_factory=loop_factory) as runner:
        return runner.run(main)
