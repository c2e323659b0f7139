"""A loop that lives for the duration of a ``with`` block."""

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
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._policy.using import using
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import ScopeError

__all__ = ["fresh_loop"]


@final
class fresh_loop:  # noqa: N801 - it is used as a with statement
    """A scope: ``with fresh_loop() as loop:`` makes a loop and binds it to the current context for the block.

    When the block ends, normally or by an exception, the loop is shut down as ``asyncio.Runner`` does: tasks are
    cancelled, exceptions that they raise are reported, and asynchronous generators and the default executor are shut
    down. Then the loop is closed, and the previous binding is restored.

    An ``asyncio.run()`` in the block leaves the loop bound. If no :class:`~ctxpolicy.ContextPolicy` is in force, the
    block is also a ``using("contextvar")`` block.

    Args:
        loop_factory: the factory of the loop: a callable, or a name. ``None``: the policy in force makes the loop.

    Raises:
        ScopeError: at the end of the block, if the block is left in another context or thread than it was entered in,
            or before a scope that was entered inside it. Nothing is changed then: the loop stays bound and open.
        LoopFactoryError: no loop could be made. The previous binding is unchanged.
    """

    def __init__(self, *, loop_factory: LoopFactory | str | None = None) -> None:
        self._factory: Final = None if loop_factory is None else named_loop_factory(loop_factory)
        self._block = ExitStack()
        self._lease: Lease | None = None
        self._previous: Any = None

    def __enter__(self) -> AbstractEventLoop:
        if self._lease is not None:
            raise ScopeError(
                f"this scope is already entered, by {self._lease!r}: make a fresh_loop() for each with statement"
            )
        with ExitStack() as block:
            if not isinstance(host.in_force(), ContextPolicy):
                block.enter_context(using("contextvar"))
            policy = _policy_in_force()
            self._resolver = policy.resolver
            lease = Lease(self._resolver.describe())
            factory = self._factory
            loop = lease.open(policy.new_event_loop if factory is None else lambda: make_loop(factory))
            block.callback(lease.release)
            self._previous = self._resolver.bindings.enter_scope(lease)
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
            # The scope was entered before a fork. The parent process shuts its loop down; the child has no binding to
            # restore.
            self._lease = self._previous = None
            self._block.close()
            return
        if lease.loop is not None and lease.loop.is_running():
            raise ScopeError(f"the scope of {lease!r} cannot be left while its loop is running")
        if not self._resolver.bindings.is_innermost_scope(lease, self._previous):
            raise ScopeError(
                f"the scope of {lease!r} cannot be left in {self._resolver.describe()} (thread {thread_name()}): it "
                "was entered in another context or thread, or a scope that was entered inside it is still open. Leave "
                "each scope where it was entered, the innermost first. Until then its loop stays bound."
            )
        self._lease = None
        try:
            with self._block:
                self._block.callback(self._resolver.bindings.leave_scope, self._previous)
                lease.release()
        finally:
            self._previous = None


def _policy_in_force() -> ContextPolicy:
    policy = host.in_force()
    assert isinstance(policy, ContextPolicy)
    return policy
