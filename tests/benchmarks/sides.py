"""The two sides of a comparison: policies, and calls under them as time functions."""

from __future__ import annotations

import asyncio
import itertools
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pyperf

from ctxpolicy import (
    ChainResolver,
    ContextPolicy,
    ContextResolver,
    ContextVarResolver,
    GreenletResolver,
    KeyedResolver,
    ProcessResolver,
    TaskResolver,
    ThreadResolver,
)
from ctxpolicy._asyncio.capabilities import PolicyBase
from ctxpolicy._asyncio.host import host
from tests.benchmarks.measure import TimeFunction

__all__ = [
    "RESOLVERS",
    "asyncios_policy",
    "bare_policy",
    "calls",
    "floor_policy",
    "gets",
    "jobs",
    "our_policy",
    "sets",
    "under",
    "uvloops_policy",
]

_tenant: ContextVar[str | None] = ContextVar("tenant", default=None)

RESOLVERS: dict[str, Callable[[], ContextResolver]] = {
    "contextvar": ContextVarResolver,
    "contextvar, any-thread": lambda: ContextVarResolver("any-thread"),
    "thread": ThreadResolver,
    "task": TaskResolver,
    "greenlet": GreenletResolver,
    "process": ProcessResolver,
    "keyed": lambda: KeyedResolver(_tenant.get),
    "chain": lambda: ChainResolver(TaskResolver(), ThreadResolver()),
}


def our_policy(resolver: str = "contextvar", **options: Any) -> ContextPolicy:
    """Make ctxpolicy's policy with a resolver of :data:`RESOLVERS`."""
    return ContextPolicy(RESOLVERS[resolver](), **options)


def asyncios_policy() -> Any:
    """Make an instance of asyncio's default policy."""
    return PolicyBase()


def uvloops_policy() -> Any:
    """Make an instance of uvloop's policy."""
    import uvloop

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return uvloop.EventLoopPolicy()


def floor_policy() -> Any:
    """Make the fastest possible policy: the methods of a context variable, which are written in C and check nothing."""
    variable: ContextVar[AbstractEventLoop] = ContextVar("floor")
    return bare_policy(variable.get, variable.set)


def bare_policy(get: Callable[[], AbstractEventLoop], set: Callable[[AbstractEventLoop], Any]) -> Any:  # noqa: A002
    """Make an instance of asyncio's default policy with these two functions as its methods."""
    policy: Any = PolicyBase()
    policy.get_event_loop = get
    policy.set_event_loop = set
    return policy


def under(policy: Any, function: TimeFunction) -> TimeFunction:
    """Return a time function that runs ``function`` with ``policy`` in force, and then restores the previous policy."""

    def time(loops: int) -> float:
        previous = host.in_force()
        host.force(policy)
        try:
            return function(loops)
        finally:
            host.force(previous)

    return time


def gets(policy: Any, loop: AbstractEventLoop) -> TimeFunction:
    """Return a time function of ``asyncio.get_event_loop()`` under ``policy``, with ``loop`` bound."""
    policy.set_event_loop(loop)
    return under(policy, calls(asyncio.get_event_loop))


def sets(policy: Any, loop: AbstractEventLoop) -> TimeFunction:
    """Return a time function of ``asyncio.set_event_loop(loop)`` under ``policy``."""
    return under(policy, calls(asyncio.set_event_loop, loop))


def jobs(function: Callable[[], Any]) -> TimeFunction:
    """Return a time function of ``function``, which takes so long that the loop over the calls does not matter."""

    def time(loops: int) -> float:
        times = itertools.repeat(None, loops)
        start = pyperf.perf_counter()
        for _ in times:
            function()
        return pyperf.perf_counter() - start

    return time


def calls(function: Callable[..., Any], *args: Any) -> TimeFunction:
    """Return a time function of ``function``: ten calls per round, so that the loop over the rounds hardly matters."""
    kernel: Any = _with_one if args else _with_none

    def time(loops: int) -> float:
        rounds = -(-loops // 10)
        return float(kernel(rounds, function, *args) * loops / (10 * rounds))

    return time


def _with_none(rounds: int, f: Callable[[], Any]) -> float:
    times = itertools.repeat(None, rounds)
    start = pyperf.perf_counter()
    for _ in times:
        f(), f(), f(), f(), f(), f(), f(), f(), f(), f()
    return pyperf.perf_counter() - start


def _with_one(rounds: int, f: Callable[[Any], Any], x: Any) -> float:
    times = itertools.repeat(None, rounds)
    start = pyperf.perf_counter()
    for _ in times:
        f(x), f(x), f(x), f(x), f(x), f(x), f(x), f(x), f(x), f(x)
    return pyperf.perf_counter() - start
