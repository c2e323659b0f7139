"""A loop for the length of a ``with`` block."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, final

from ctxpolicy._asyncio.host import host
from ctxpolicy._fork import process
from ctxpolicy._loops.factories import LoopFactory, make_loop
from ctxpolicy._loops.factories import loop_factory as named_loop_factory
from ctxpolicy._loops.lease import Lease
from ctxpolicy._policy.install import using
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import ScopeError

__all__ = ["fresh_loop"]


@final
class fresh_loop:  # noqa: N801 - reads as the statement that it is part of
    """A scope: ``with fresh_loop() as loop:`` binds a loop of its own to the present context.

    At the end, however it comes, the loop is shut down as ``asyncio.Runner`` does it (tasks cancelled and what they
    raise reported, asynchronous generators and the default executor shut down), closed, and the former binding is
    restored.
    An ``asyncio.run()`` in the block leaves the loop bound. Where no :class:`~ctxpolicy.ContextPolicy` is in force,
    the block is under ``using("contextvar")``.

    Args:
        loop_factory: makes the loop, a callable or a name; ``None``: what the policy in force makes.

    Raises:
        ScopeError: at the end, where the block is left in another context or thread than it was entered in, or before
            one that was entered in it. Then nothing is changed: the loop stays bound there, and open.
        LoopFactoryError: no loop could be made; what was bound still is.
    """

    def __init__(self, *, loop_factory: LoopFactory | str | None = None) -> None:
        self._factory: Final = None if loop_factory is None else named_loop_factory(loop_factory)
        self._block = ExitStack()
        self._lease: Lease | None = None
        self._former: Any = None

    def __enter__(self) -> AbstractEventLoop:
        if self._lease is not None:
            raise ScopeError(f"this scope is entered already, by {self._lease!r}: make one for each with statement")
        with ExitStack() as block:
            if not isinstance(host.in_force(), ContextPolicy):
                block.enter_context(using("contextvar"))
            policy = _policy()
            self._resolver = policy.resolver
            lease = Lease(self._resolver.describe())
            factory = self._factory
            loop = lease.open(policy.new_event_loop if factory is None else lambda: make_loop(factory))
            block.callback(lease.release)
            self._bindings = self._resolver.bindings
            self._former = self._bindings.enter_scope(lease)
            self._block = block.pop_all()
        self._lease = lease
        return loop

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lease = self._lease
        if lease is None:
            raise ScopeError("this scope is not entered")
        if lease.process != process.id:
            # Entered before a fork: nothing is bound by it here, and the loop is the parent's to shut down.
            self._lease = self._former = None
            self._block.close()
            return
        if lease.loop is not None and lease.loop.is_running():
            raise ScopeError(f"the scope of {lease!r} cannot be left while its loop is running")
        if not self._resolver.bindings.is_innermost_scope(lease, self._former):
            raise ScopeError(
                f"the scope of {lease!r} cannot be left in {self._resolver.describe()} (thread {thread_name()}): it "
                "was entered in another context or thread, or a scope that was entered in it is still open. Leave "
                "scopes where they were entered, the last one first; until then the loop stays bound there."
            )
        self._lease = None
        try:
            with self._block:
                self._block.callback(self._bindings.leave_scope, self._former)
                lease.release()
        finally:
            self._former = None


def _policy() -> ContextPolicy:
    policy = host.in_force()
    assert isinstance(policy, ContextPolicy)
    return policy
