"""run and Runner: every implementation of Runner behaves as asyncio's; and the effect of a resolver."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import (
    InstallationError,
    LoopFactoryError,
    OptionError,
    Runner,
    TaskResolver,
    ThreadResolver,
    UnknownNameError,
)
from ctxpolicy._asyncio import runner_310
from ctxpolicy._asyncio.host import host
from tests.support.policies import collect_garbage, in_thread, settled


def under_a_resolver(**options: Any) -> Runner:
    return Runner(resolver=ctxpolicy.TaskResolver(), **options)  # not by name: the process shares that resolver


def by_name_of_a_factory(**options: Any) -> Runner:
    return Runner(**{"loop_factory": "asyncio", **options})


# asyncio's own Runner, from 3.11 on, is the reference. The Runner for 3.10 runs on every Python.
RUNNERS = [Runner, under_a_resolver, by_name_of_a_factory, runner_310.Runner]
if hasattr(asyncio, "Runner"):
    RUNNERS.append(asyncio.Runner)
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture(params=RUNNERS, ids=lambda runner: f"{runner.__module__}.{runner.__qualname__}")
def make_runner(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return every implementation of Runner in turn."""
    made: Callable[..., Any] = request.param
    return made


async def nothing() -> None:
    pass


# --- the behaviour of asyncio.Runner ----------------------------------------------------------------------------------


def test_it_runs_coroutines_in_one_loop_and_returns_their_results(make_runner):
    async def main(value: object) -> tuple[object, asyncio.AbstractEventLoop]:
        await asyncio.sleep(0)
        return value, asyncio.get_running_loop()

    with make_runner() as runner:
        first, loop = runner.run(main("first"))
        second, same = runner.run(main("second"))
        assert (first, second) == ("first", "second")
        assert loop is same is runner.get_loop()
        assert not loop.is_closed()
    assert loop.is_closed()


def test_an_exception_is_passed_on_and_the_runner_can_be_used_again(make_runner):
    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("mine")

    with make_runner() as runner:
        with pytest.raises(LookupError, match="mine"):
            runner.run(fails())
        assert runner.run(asyncio.sleep(0, "on")) == "on"


def test_a_cancelled_main_task_raises_cancelled_error(make_runner):
    async def cancels_itself() -> None:
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    with make_runner() as runner, pytest.raises(asyncio.CancelledError):
        runner.run(cancels_itself())


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_system_exit_and_keyboard_interrupt_pass_through(make_runner, error):
    async def exits() -> None:
        raise error

    with pytest.raises(error), make_runner() as runner:
        runner.run(exits())
    with pytest.raises(RuntimeError, match="Runner is closed"):
        runner.get_loop()


def test_a_closed_runner_cannot_be_used_again(make_runner):
    with make_runner() as runner:
        pass
    runner.close()
    for attempt in (runner.get_loop, runner.__enter__, lambda: closing_run(runner)):
        with pytest.raises(RuntimeError, match="Runner is closed"):
            attempt()


def closing_run(runner: Any) -> None:
    coro = nothing()
    try:
        runner.run(coro)
    finally:
        coro.close()


def test_closing_an_unused_runner_does_nothing(make_runner):
    runner = make_runner()
    runner.close()
    assert runner.run(asyncio.sleep(0, "still good")) == "still good"
    runner.close()


def test_without_a_with_statement_the_first_use_starts_it(make_runner):
    runner = make_runner()
    loop = runner.get_loop()
    assert runner.run(nothing()) is None
    runner.close()
    assert loop.is_closed()


def test_an_object_that_is_not_a_coroutine_is_refused(make_runner):
    with make_runner() as runner:
        with pytest.raises((ValueError, TypeError), match="a coroutine was expected|awaitable is required"):
            runner.run(5)
        with pytest.raises((ValueError, TypeError), match="a coroutine was expected|awaitable is required"):
            runner.run(nothing)
        assert runner.run(asyncio.sleep(0, "on")) == "on"


def test_it_cannot_run_inside_a_running_loop(make_runner):
    async def main(runner: Any) -> None:
        coro = nothing()
        with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
            runner.run(coro)
        coro.close()

    inner = make_runner()
    with make_runner() as runner:
        runner.run(main(inner))
        runner.run(main(runner))
    inner.close()


def test_its_contextvars_context_is_kept_from_run_to_run_and_is_a_copy(make_runner):
    async def put(value: str) -> str:
        previous = variable.get()
        variable.set(value)
        await asyncio.sleep(0)
        assert variable.get() == value
        return previous

    variable.set("outside")
    with make_runner() as runner:
        assert runner.run(put("first")) == "outside"
        assert runner.run(put("second")) == "first"
        assert variable.get() == "outside"


def test_a_contextvars_context_may_be_given(make_runner):
    async def put(value: str) -> str:
        previous = variable.get()
        variable.set(value)
        await asyncio.sleep(0)
        handle = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: handle.set_result(variable.get()))
        assert await handle == value
        return previous

    context = contextvars.Context()
    context.run(variable.set, "given")
    with make_runner() as runner:
        assert runner.run(put("first"), context=context) == "given"
        assert context.run(variable.get) == "first"
        assert runner.run(put("second"), context=context) == "first"
        assert runner.run(put("own")) == "unset"


def test_debug_sets_the_debug_mode_of_the_loop(make_runner):
    for debug in (True, False):
        with make_runner(debug=debug) as runner:
            assert runner.get_loop().get_debug() is debug
    with make_runner() as runner:
        loop = asyncio.SelectorEventLoop()
        assert runner.get_loop().get_debug() is loop.get_debug()
        loop.close()


def test_a_factory_makes_its_loop_and_asyncio_binds_none(make_runner):
    loop = asyncio.SelectorEventLoop()
    before = ctxpolicy.ContextVarResolver()
    with ctxpolicy.install(before, missing="error"), make_runner(loop_factory=lambda: loop) as runner:
        assert runner.get_loop() is loop
        with pytest.raises(RuntimeError, match="There is no current event loop"):
            asyncio.get_event_loop()
    assert loop.is_closed()


def test_without_a_factory_the_policy_makes_its_loop_which_is_bound_until_the_end():
    for make in {*RUNNERS} - {by_name_of_a_factory}:
        with ctxpolicy.install("thread", missing="error"):
            with make() as runner:
                assert asyncio.get_event_loop() is runner.get_loop()
            with pytest.raises(RuntimeError, match="There is no current event loop"):
                asyncio.get_event_loop()


def test_at_its_end_tasks_are_cancelled_generators_closed_and_the_executor_shut_down(make_runner):
    done: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            done.append("task")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            done.append("generator")

    async def main() -> None:
        keep.append(asyncio.ensure_future(forever()))
        keep.append(numbers())
        await keep[1].__anext__()
        keep.append(await asyncio.to_thread(threading.current_thread))

    keep: list[Any] = []
    with make_runner() as runner:
        runner.run(main())
        assert done == []
    assert done == ["task", "generator"]
    assert keep[0].cancelled()
    assert not keep[2].is_alive()


def test_an_exception_of_a_task_that_is_cancelled_at_the_end_is_reported(make_runner):
    async def fails() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            raise LookupError("in the end")

    async def main() -> None:
        keep.append(asyncio.ensure_future(fails()))
        await asyncio.sleep(0)

    keep: list[Any] = []
    reported: list[dict[str, Any]] = []
    with make_runner() as runner:
        runner.get_loop().set_exception_handler(lambda loop, context: reported.append(context))
        runner.run(main())
    assert [(context["message"], str(context["exception"])) for context in reported] == [
        ("unhandled exception during asyncio.run() shutdown", "in the end")
    ]


def test_the_coroutine_may_be_passed_by_name_and_everything_else_must_be(make_runner):
    with pytest.raises(TypeError, match="positional argument"):
        make_runner(False)
    with make_runner() as runner:
        assert runner.run(coro=asyncio.sleep(0, "by name")) == "by name"
        coro = nothing()
        with pytest.raises(TypeError, match="positional argument"):
            runner.run(coro, contextvars.copy_context())
        coro.close()


def test_it_works_in_another_thread_too(make_runner):
    def job() -> str:
        with make_runner() as runner:
            return runner.run(asyncio.sleep(0, "done"))

    assert in_thread(job) == "done"


def test_the_main_task_shows_the_coroutine_and_its_stack(make_runner):
    async def main() -> None:
        asyncio.get_running_loop().call_soon(look, asyncio.current_task(), waiter := asyncio.Future())
        await waiter

    def look(task: asyncio.Task[None], waiter: asyncio.Future[None]) -> None:
        waiter.set_result(None)
        seen.append(repr(task))
        seen.extend(frame.f_code.co_name for frame in task.get_stack())
        seen.append(task.get_coro().__name__)

    seen: list[str] = []
    with make_runner() as runner:
        runner.run(main())
    assert "main" in seen.pop(0)
    assert seen == ["main", "main"]


# --- ctxpolicy.run and asyncio.run ------------------------------------------------------------------------------------


def run_under_a_resolver(main: Any, **options: Any) -> Any:
    return ctxpolicy.run(main, resolver="contextvar", **options)


@pytest.fixture(params=[asyncio.run, ctxpolicy.run, run_under_a_resolver], ids=["asyncio", "ours", "resolver"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return asyncio.run and ctxpolicy.run in turn."""
    found: Callable[..., Any] = request.param
    return found


def test_run_runs_in_a_new_loop_that_is_closed_after(run):
    async def main() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    first, second = run(main()), run(main())
    assert first is not second
    assert first.is_closed()


def test_run_passes_debug_on(run):
    async def main() -> bool:
        return asyncio.get_running_loop().get_debug()

    assert run(main(), debug=True) is True
    assert run(main(), debug=False) is False


def test_run_takes_the_coroutine_by_name_too_and_everything_else_by_name_only(run):
    assert run(main=asyncio.sleep(0, "by name")) == "by name"
    coro = nothing()
    with pytest.raises(TypeError, match="positional argument"):
        run(coro, False)
    coro.close()


def test_run_refuses_an_object_that_is_not_a_coroutine_and_leaves_no_loop(run):
    with ctxpolicy.install("thread", missing="error"):
        with pytest.raises((ValueError, TypeError), match="a coroutine was expected|awaitable is required"):
            run(5)
        with pytest.raises(RuntimeError, match="There is no current event loop"):
            asyncio.get_event_loop()


def test_run_refuses_to_run_inside_a_running_loop(run):
    async def main() -> None:
        coro = nothing()
        with pytest.raises(RuntimeError, match=r"run\(\) cannot be called from a running event loop"):
            run(coro)
        coro.close()

    asyncio.run(main())


def test_the_error_inside_a_running_loop_names_the_thread_and_the_way_out():
    async def main() -> str:
        coro = nothing()
        with pytest.raises(RuntimeError) as caught:
            ctxpolicy.run(coro)
        coro.close()
        return str(caught.value)

    assert asyncio.run(main()) == (
        "ctxpolicy.run() cannot be called from a running event loop (in thread 'MainThread'). Await the coroutine, or "
        "run it with ctxpolicy.block_on(..., nested='isolated')."
    )


def test_run_takes_a_loop_factory_as_a_callable_or_a_name():
    async def main() -> type:
        return type(asyncio.get_running_loop())

    class Own(asyncio.SelectorEventLoop):
        pass

    assert ctxpolicy.run(main(), loop_factory=Own) is Own
    assert ctxpolicy.run(main(), loop_factory="selector") is asyncio.SelectorEventLoop


# --- under a resolver -------------------------------------------------------------------------------------------------


async def seen_resolver() -> tuple[object, object]:
    policy = host.in_force()
    child = await asyncio.create_task(asyncio.sleep(0, lambda: policy.resolver))
    return policy.resolver, child()


@pytest.mark.parametrize("installed", [True, False])
def test_the_resolver_is_in_force_for_the_duration_only(installed):
    resolver = TaskResolver()
    before = host.in_force()
    if installed:
        with ctxpolicy.install("thread") as installation:
            assert ctxpolicy.run(seen_resolver(), resolver=resolver) == (resolver, resolver)
            assert installation.policy.resolver is installation.policy.own_resolver
    else:
        assert ctxpolicy.run(seen_resolver(), resolver=resolver) == (resolver, resolver)
    assert settled() is before or before is None


def test_without_a_with_statement_the_first_run_puts_the_resolver_in_force_and_close_ends_that():
    resolver = TaskResolver()
    with ctxpolicy.install("thread") as installation:
        runner = Runner(resolver=resolver)
        assert installation.policy.resolver is installation.policy.own_resolver
        assert runner.run(seen_resolver()) == (resolver, resolver)
        assert installation.policy.resolver is resolver
        runner.close()
        assert installation.policy.resolver is installation.policy.own_resolver


def test_without_a_resolver_the_policy_in_force_decides():
    with ctxpolicy.install("task") as installation:
        assert ctxpolicy.run(seen_resolver())[0] is installation.policy.own_resolver


def test_a_name_means_the_same_resolver_at_each_run_and_the_context_does_not_grow():
    first, _ = ctxpolicy.run(seen_resolver(), resolver="contextvar")
    size = len(contextvars.copy_context())
    for _ in range(50):
        again, _ = ctxpolicy.run(seen_resolver(), resolver="contextvar")
        assert again is first
    assert len(contextvars.copy_context()) == size


def test_two_threads_run_under_different_resolvers_at_once():
    resolvers, together, seen = [ThreadResolver(), TaskResolver()], threading.Barrier(2), {}

    def job(number: int) -> None:
        async def main() -> None:
            together.wait()
            seen[number] = (await seen_resolver())[0]
            together.wait()

        ctxpolicy.run(main(), resolver=resolvers[number])

    threads = [threading.Thread(target=job, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == dict(enumerate(resolvers))


def test_the_loop_is_made_and_bound_by_the_resolver():
    class Own(asyncio.SelectorEventLoop):
        pass

    class Resolver(ThreadResolver):
        loop_factory = Own

    async def main() -> asyncio.AbstractEventLoop:
        assert resolver.get() is asyncio.get_running_loop()
        return asyncio.get_running_loop()

    resolver = Resolver()
    loop = ctxpolicy.run(main(), resolver=resolver)
    assert type(loop) is Own
    assert resolver.get() is None


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"resolver": "nobody"}, UnknownNameError),
        ({"resolver": 5}, OptionError),
        ({"loop_factory": "libuv"}, UnknownNameError),
        ({"loop_factory": 5}, OptionError),
    ],
)
def test_wrong_options_are_refused_before_anything_happens(options, error):
    before = host.in_force()
    with pytest.raises(error):
        Runner(**options)
    coro = nothing()
    with pytest.raises(error):
        ctxpolicy.run(coro, **options)
    coro.close()
    assert settled() is before


@pytest.mark.parametrize("resolver", [None, "task"])
def test_a_factory_that_makes_no_loop_raises_and_leaves_the_policy_in_force(resolver):
    before = host.in_force()
    coro = nothing()
    with pytest.raises(LoopFactoryError, match="returned None, which is no event loop"):
        ctxpolicy.run(coro, resolver=resolver, loop_factory=lambda: None)  # type: ignore[arg-type, return-value]
    coro.close()
    assert settled() is before or before is None


def test_closing_in_another_contextvars_context_raises_and_closes_the_loop():
    runner = Runner(resolver="task")
    elsewhere = contextvars.Context()
    loop = elsewhere.run(runner.get_loop)
    with pytest.raises(InstallationError, match="in another contextvars context than it was entered in"):
        runner.close()
    assert loop.is_closed()


def test_a_dropped_runner_is_freed():
    runner = Runner(resolver="task")
    runner.run(nothing())
    runner.close()
    alive = weakref.ref(runner)
    del runner
    collect_garbage()
    assert alive() is None
