"""The cost of one call of get, set and new under a policy."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import closing
from typing import Any

from ctxpolicy import ContextVarResolver
from tests.benchmarks.measure import Effort, Measured, TimeFunction, compare
from tests.benchmarks.rows import Reach, Row
from tests.benchmarks.sides import (
    RESOLVERS,
    asyncios_policy,
    bare_policy,
    floor_policy,
    gets,
    jobs,
    our_policy,
    sets,
    under,
    uvloops_policy,
)

__all__ = ["ROWS"]

GET = "`asyncio.get_event_loop()`"
SET = "`asyncio.set_event_loop(loop)`"
NEW = "`asyncio.new_event_loop()` and its `close()`"
ASYNCIO = "asyncio's own policy"
UVLOOP = "uvloop's policy"
FLOOR = "a C method in place of the policy's method"

Side = Callable[[Any, AbstractEventLoop], TimeFunction]


def _news(policy: Any, _: AbstractEventLoop) -> TimeFunction:
    return under(policy, jobs(lambda: asyncio.new_event_loop().close()))


def _against(side: Side, subject: Callable[[], Any], peer: Callable[[], Any]) -> Callable[[Effort], Measured]:
    def measure(effort: Effort) -> Measured:
        with closing(asyncio.SelectorEventLoop()) as loop:
            return compare(side(subject(), loop), side(peer(), loop), effort)

    return measure


def _of(resolver: str, **options: Any) -> Callable[[], Any]:
    return lambda: our_policy(resolver, **options)


def _getter_alone() -> Any:
    # A policy without support for using(): the resolver's closure and nothing else.
    resolver = ContextVarResolver()
    return bare_policy(resolver.getter(asyncio.new_event_loop), resolver.set)


def _after_using() -> Any:
    policy = our_policy()
    policy.enable_overrides()
    return policy


def _others() -> list[Row]:
    needs = {"greenlet": ("greenlet",)}
    return [
        Row(
            f"{verb}-{name.replace(', ', '-')}", f"{what}, {name}", ASYNCIO,
            _against(side, _of(name), asyncios_policy), needs=needs.get(name, ()),
        )
        for name in RESOLVERS
        for verb, what, side in (("get", GET, gets), ("set", SET, sets))
        if name not in ("contextvar", "contextvar, any-thread")
    ]  # fmt: skip


ROWS = [
    Row(
        "get", f"{GET}, contextvar", ASYNCIO, _against(gets, _of("contextvar"), asyncios_policy),
        reach=Reach(0.8, {"3.14": 0.95, "3.15": 0.95}),
    ),
    Row(
        "get-any-thread", f"{GET}, contextvar without the thread check", ASYNCIO,
        _against(gets, _of("contextvar, any-thread"), asyncios_policy), reach=Reach(0.7),
    ),
    Row(
        "get-floor", f"{GET}, contextvar", FLOOR, _against(gets, _of("contextvar"), floor_policy),
        reach=Reach(2.5, {"3.14": 2.7}),
    ),
    Row(
        "get-uvloop", f"{GET}, contextvar", UVLOOP, _against(gets, _of("contextvar"), uvloops_policy),
        needs=("uvloop",),
    ),
    Row(
        "set", f"{SET}, contextvar", ASYNCIO, _against(sets, _of("contextvar"), asyncios_policy),
        reach=Reach(1.3, {"3.14": 1.7, "3.15": 1.7}),
    ),
    Row("set-floor", f"{SET}, contextvar", FLOOR, _against(sets, _of("contextvar"), floor_policy)),
    Row(
        "set-uvloop", f"{SET}, contextvar", UVLOOP, _against(sets, _of("contextvar"), uvloops_policy),
        needs=("uvloop",),
    ),
    Row("new", f"{NEW}, contextvar", ASYNCIO, _against(_news, _of("contextvar"), asyncios_policy)),
    Row(
        "new-uvloop", f"{NEW}, contextvar with uvloop's loops", UVLOOP,
        _against(_news, _of("contextvar", loop_factory="uvloop"), uvloops_policy), needs=("uvloop",),
    ),
    Row(
        "using-never", f"{GET}, `using` never called", "the same without support for `using`",
        _against(gets, _of("contextvar"), _getter_alone), reach=Reach(1.0, within_spread=True),
    ),
    Row("using-elsewhere", f"{GET}, `using` called elsewhere", ASYNCIO, _against(gets, _after_using, asyncios_policy)),
    *_others(),
]  # fmt: skip
