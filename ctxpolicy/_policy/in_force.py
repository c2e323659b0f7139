"""The loop factory of the policy in force, for every module that makes loops on behalf of the policy."""

from __future__ import annotations

from typing import Any

from ctxpolicy._asyncio.capabilities import default_loop_factory
from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.other_policies import is_asyncio_default
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._policy.policy import ContextPolicy

__all__ = ["factory_in_force", "leased_factory_in_force"]


def factory_in_force() -> LoopFactory:
    """Return the factory of new loops under the policy in force, in the present context.

    For loops of asyncio's default kind the factory is the loop class itself (``asyncio.SelectorEventLoop`` on Unix),
    with which callers can compare it.
    """
    policy: Any = host.in_force()  # None: asyncio's default policy, which may not exist yet
    if isinstance(policy, ContextPolicy):
        return policy.factory_in_use()
    factory: LoopFactory = default_loop_factory() if is_asyncio_default(policy) else policy.new_event_loop
    return factory


def leased_factory_in_force() -> LoopFactory:
    """Return the factory of loops that ctxpolicy closes, under the policy in force, in the present context.

    Under a :class:`ContextPolicy` that makes asyncio's own loops, the result is a
    :class:`~ctxpolicy._loops.pool.ReusableFactory`, from which a lease may get a used loop.
    """
    policy = host.in_force()
    if isinstance(policy, ContextPolicy):
        return policy.leased_factory()
    return factory_in_force()
