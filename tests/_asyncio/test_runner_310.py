"""The coroutine in a given contextvars context, for the Runner of Python 3.10; the Runner itself is in test_runner."""

from __future__ import annotations

import asyncio
import collections.abc
import contextvars

import pytest

from ctxpolicy._asyncio.runner_310 import _InContext

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def context() -> contextvars.Context:
    """Return a contextvars context in which the value of the variable is "given"."""
    made = contextvars.Context()
    made.run(variable.set, "given")
    return made


def test_the_wrapper_is_accepted_as_a_coroutine(context):
    async def main() -> None:
        pass

    coro = _InContext(main(), context)
    assert asyncio.iscoroutine(coro)
    assert isinstance(coro, collections.abc.Coroutine)
    assert coro.cr_code is main.__code__
    coro.close()


def test_every_step_runs_in_the_context(context):
    async def main() -> list[str]:
        seen = [variable.get()]
        for value in ("first", "second"):
            variable.set(value)
            await asyncio.sleep(0)
            seen.append(variable.get())
        return seen

    async def outer() -> list[str]:
        return await asyncio.create_task(_InContext(main(), context))

    assert asyncio.run(outer()) == ["given", "first", "second"]
    assert context.run(variable.get) == "second"
    assert variable.get() == "unset"


def test_an_exception_thrown_into_the_wrapper_is_thrown_in_the_context(context):
    seen: list[str] = []

    async def main() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            seen.append(variable.get())
            raise
        return "never"

    async def outer() -> None:
        task = asyncio.ensure_future(_InContext(main(), context))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(outer())
    assert seen == ["given"]


def test_closing_the_wrapper_runs_finally_blocks_in_the_context(context):
    seen: list[str] = []

    async def main() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            seen.append(variable.get())

    coro = _InContext(main(), context)
    coro.send(None)
    coro.close()
    assert seen == ["given"]


def test_the_wrapper_can_be_awaited_in_place_of_its_coroutine(context):
    async def main() -> str:
        await asyncio.sleep(0)
        return variable.get()

    async def outer() -> str:
        return await _InContext(main(), context)

    assert asyncio.run(outer()) == "given"
