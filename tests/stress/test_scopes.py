"""Thousands of scopes in random order in many threads: none is lost, and none is seen in another context."""

from __future__ import annotations

import asyncio
import contextvars
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ctxpolicy import ContextResolver, KeyedResolver, ScopeError, ThreadResolver, block_on, fresh_loop, install
from tests.stress.counting import JOBS, nothing_piles_up
from tests.support.resolver_cases import tenant

THREADS = 4


async def leave_a_task() -> asyncio.AbstractEventLoop:
    loop: Any = asyncio.get_running_loop()
    loop.left = asyncio.ensure_future(asyncio.Event().wait())
    await asyncio.sleep(0)
    return loop


class Context:
    """A contextvars context with a tenant of its own, and the scopes that are open in it, innermost last."""

    def __init__(self, name: str) -> None:
        self.run = contextvars.Context().run
        self.run(tenant.set, name)
        self.scopes: list[tuple[fresh_loop, asyncio.AbstractEventLoop]] = []

    def enter(self) -> None:
        scope = fresh_loop()
        self.scopes.append((scope, self.run(scope.__enter__)))

    def leave(self, number: int, error: BaseException | None) -> None:
        """Leave one of the scopes. Only the innermost scope can be left."""
        scope, loop = self.scopes[number % len(self.scopes)]
        how = (None, None, None) if error is None else (type(error), error, None)
        if (scope, loop) == self.scopes[-1]:
            self.run(scope.__exit__, *how)
            assert loop.is_closed()
            self.scopes.pop()
        else:
            with pytest.raises(ScopeError, match="a scope that was entered inside it is still open"):
                self.run(scope.__exit__, *how)
            assert not loop.is_closed()

    def use(self) -> None:
        loop = self.scopes[-1][1]
        assert self.run(asyncio.get_event_loop) is loop
        assert self.run(lambda: block_on(leave_a_task())) is loop

    def run_something(self) -> None:
        assert self.run(lambda: asyncio.run(leave_a_task())).is_closed()


def act(contexts: list[Context], rng: random.Random) -> None:
    context = rng.choice(contexts)
    action = rng.randrange(6)
    if not context.scopes or (action == 0 and len(context.scopes) < 4):
        context.enter()
    elif action == 1:
        context.use()
    elif action == 2:
        context.run_something()
    elif action == 3:
        with pytest.raises(ScopeError):
            contextvars.copy_context().run(context.scopes[-1][0].__exit__, None, None, None)
    else:
        context.leave(rng.randrange(-1, 4), rng.choice([None, LookupError("in the block"), KeyboardInterrupt()]))


def work(times: int, rng: random.Random) -> None:
    contexts = [Context("acme"), Context("globex")]
    for _ in range(times):
        act(contexts, rng)
        for context in contexts:
            assert all(not loop.is_closed() for _, loop in context.scopes)
    for context in contexts:
        while context.scopes:
            context.leave(-1, None)


def in_threads(times: int, seed: int) -> None:
    with ThreadPoolExecutor(THREADS) as executor:
        list(executor.map(lambda number: work(times, random.Random(seed + number)), range(THREADS)))


@pytest.mark.logs_asyncio_errors(reason="a task that only its own future refers to is collected")
@pytest.mark.parametrize("resolver", ["contextvar", KeyedResolver(tenant.get)], ids=["contextvar", "keyed"])
def test_scopes_in_random_order_from_many_threads_leave_nothing(resolver: ContextResolver | str):
    with install(resolver):
        in_threads(20, seed=1)
        with nothing_piles_up():
            in_threads(JOBS // THREADS, seed=2)


def test_scopes_of_one_thread_and_many_contextvars_contexts_are_one_stack():
    """The context is the thread: only the scope that was entered last, in whichever context, can be left."""
    with install(ThreadResolver()):
        scopes = []
        for _ in range(50):
            scope = fresh_loop()
            scopes.append((scope, contextvars.copy_context().run(scope.__enter__)))
        rng = random.Random(5)
        while scopes:
            scope, loop = rng.choice(scopes)
            if (scope, loop) == scopes[-1]:
                contextvars.Context().run(scope.__exit__, None, None, None)
                scopes.pop()
                assert loop.is_closed()
            else:
                with pytest.raises(ScopeError):
                    scope.__exit__(None, None, None)
