"""A leased loop is reused if no code can tell it from a new one, and is closed otherwise."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import ContextPolicy, Lease
from ctxpolicy._loops import lease as lease_module
from ctxpolicy._loops import pool as pool_module
from ctxpolicy._loops.creation import creation_site
from ctxpolicy._loops.pool import _CAPACITY, ReusableFactory, loop_pool
from ctxpolicy.testing import in_new_thread
from tests.support.policies import collect_garbage
from tests.support.programs import run_program
from tests.support.reuse import PROVABLE, provable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="only selector loops are reused")


@pytest.fixture(autouse=True)
def installed() -> Iterator[ctxpolicy.Installation]:
    with ctxpolicy.install(missing="create") as installation:
        yield installation


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that receives a number for each asyncio loop that is created."""
    numbers: list[int] = []
    init = asyncio.SelectorEventLoop.__init__

    def counting(self: Any, *args: Any) -> None:
        init(self, *args)
        numbers.append(len(numbers))

    monkeypatch.setattr(asyncio.SelectorEventLoop, "__init__", counting)
    return numbers


def test_a_loop_that_is_finalized_before_its_lease_ends_the_lease_without_a_warning():
    lease = Lease("a test")
    loop = lease.open(ReusableFactory(asyncio.SelectorEventLoop))
    loop.__del__()  # as the garbage collector does if it finds both in one cycle
    assert loop.is_closed()
    assert not lease.stands()
    loop.__del__()
    lease.release()


def test_a_loop_that_is_finalized_before_its_lease_names_the_work_that_was_pending_in_it():
    lease = Lease("a test")
    loop = lease.open(ReusableFactory(asyncio.SelectorEventLoop))
    loop.call_later(60, print)
    with pytest.warns(ResourceWarning, match=r"leased at .*test_pool.py.* for a test was closed.*pending work.*print"):
        loop.__del__()
    lease.release()


def test_the_class_of_a_leased_loop_looks_like_asyncios_class():
    loop = asyncio.get_event_loop()
    assert isinstance(loop, asyncio.SelectorEventLoop)
    assert repr(type(loop)) == repr(asyncio.SelectorEventLoop)


def in_a_context_of_its_own(job: Callable[[], Any]) -> Any:
    return contextvars.Context().run(job)


def uses() -> None:
    asyncio.get_event_loop()


def runs() -> None:
    asyncio.get_event_loop().run_until_complete(asyncio.sleep(0))


def has_a_timeout() -> None:
    asyncio.get_event_loop().run_until_complete(asyncio.wait_for(asyncio.sleep(0.001), 100))


def blocks() -> None:
    ctxpolicy.block_on(asyncio.sleep(0))


@provable
@pytest.mark.parametrize("job", [uses, runs, has_a_timeout, blocks])
def test_an_unchanged_loop_is_reused_for_the_next_lease(job, made):
    for _ in range(5):
        in_a_context_of_its_own(job)
    assert len(made) == 1


@provable
def test_a_loop_may_be_reused_in_another_thread(made):
    in_a_context_of_its_own(runs)
    for _ in range(5):
        in_new_thread(runs)
    assert len(made) == 1


@provable
def test_the_creation_site_of_a_reused_loop_is_the_code_that_needs_it_now(made):
    def needs_one() -> str:
        return creation_site(asyncio.get_event_loop())

    in_a_context_of_its_own(uses)
    assert in_a_context_of_its_own(needs_one).endswith(" in needs_one")
    assert len(made) == 1


def keeps_loop() -> Any:
    return asyncio.get_event_loop()


def keeps_method() -> Any:
    return asyncio.get_event_loop().call_soon_threadsafe


def keeps_future() -> Any:
    return asyncio.get_event_loop().create_future()


def keeps_weak_reference() -> Any:
    return weakref.ref(asyncio.get_event_loop())


def keeps_context() -> Any:
    uses()
    return contextvars.copy_context()


@pytest.mark.parametrize("job", [keeps_loop, keeps_method, keeps_future, keeps_weak_reference, keeps_context])
def test_a_loop_that_is_still_reachable_is_not_reused(job, made):
    kept = [in_a_context_of_its_own(job) for _ in range(3)]
    assert len(made) == 3
    assert len(kept) == 3


def test_a_loop_that_the_job_returns_is_closed():
    loop = in_a_context_of_its_own(keeps_loop)
    collect_garbage()
    assert loop.is_closed()


def sets_debug() -> None:
    asyncio.get_event_loop().set_debug(True)


def sets_task_factory() -> None:
    asyncio.get_event_loop().set_task_factory(lambda loop, coro, **kwargs: asyncio.Task(coro, loop=loop, **kwargs))


def sets_attribute() -> None:
    asyncio.get_event_loop().mine = 1


def leaves_a_callback() -> None:
    asyncio.get_event_loop().call_soon(print, context=contextvars.Context())  # a copy of this one refers to the lease


def closes_it() -> None:
    asyncio.get_event_loop().close()


@pytest.mark.filterwarnings("ignore:the loop leased at .* with pending work:ResourceWarning")
@pytest.mark.parametrize("job", [sets_debug, sets_task_factory, sets_attribute, leaves_a_callback, closes_it])
def test_a_changed_loop_is_not_reused(job, made):
    for _ in range(3):
        in_a_context_of_its_own(job)
    assert len(made) == 3


def test_a_reader_that_is_left_in_a_loop_is_not_in_the_next_loop():
    read, write = os.pipe()

    def leaves_a_reader() -> None:
        contextvars.Context().run(asyncio.get_event_loop().add_reader, read, print)

    def looks() -> int:
        return len(asyncio.get_event_loop()._selector.get_map())

    with pytest.warns(ResourceWarning, match="watched for"):
        in_a_context_of_its_own(leaves_a_reader)
        collect_garbage()
    assert in_a_context_of_its_own(looks) == 1
    os.close(read)
    os.close(write)


def test_attributes_that_cannot_be_compared_cause_no_error(made):
    class Incomparable:
        __hash__ = None

        def __eq__(self, other: object) -> bool:
            raise ValueError("the truth value is ambiguous")

    def sets_it() -> None:
        asyncio.get_event_loop().slow_callback_duration = Incomparable()

    for _ in range(2):
        in_a_context_of_its_own(sets_it)
    assert len(made) == 2


@provable
def test_a_loop_whose_lease_the_collector_finds_is_closed(made):
    """The collector may have found the loop too, and would finalize it with a warning about an unclosed loop."""

    def job() -> None:
        asyncio.get_event_loop()
        cycle: list[Any] = [contextvars.copy_context()]
        cycle.append(cycle)

    gc.collect()
    for _ in range(3):
        in_a_context_of_its_own(job)
        gc.collect()
    assert len(made) == 3


@provable
def test_a_reused_loop_that_the_collector_finds_is_closed_without_asyncios_warning():
    """Such a loop is older than its lease, and the collector finalizes older objects first."""

    def job() -> None:
        loop = asyncio.get_event_loop()
        loop.call_later(3600, repr, contextvars.copy_context())

    gc.collect()
    for _ in range(_CAPACITY):
        in_a_context_of_its_own(uses)
        in_a_context_of_its_own(job)
    with pytest.warns(ResourceWarning, match="with pending work: <TimerHandle") as caught:
        gc.collect()
    assert not [warning for warning in caught if "unclosed event loop" in str(warning.message)]


@provable
def test_a_reused_loop_that_the_collector_finds_is_reported_with_its_present_lease():
    def needs_one() -> None:
        loop = asyncio.get_event_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        loop.call_later(3600, repr, contextvars.copy_context())

    gc.collect()
    in_a_context_of_its_own(uses)
    in_a_context_of_its_own(needs_one)
    with pytest.warns(
        ResourceWarning, match=r"leased at .* in needs_one for the contextvars context .*default executor"
    ):
        gc.collect()


def test_the_sockets_of_a_leased_loop_do_not_depend_on_the_loop():
    """If the collector found them in one cycle with the loop, it could finalize them first, with warnings."""

    def job() -> None:
        loop: Any = asyncio.get_event_loop()
        assert pool_module._sockets[loop] == (loop._ssock, loop._csock)

    in_a_context_of_its_own(job)


@provable
def test_in_debug_mode_every_loop_is_closed(made, monkeypatch):
    in_a_context_of_its_own(uses)
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    for _ in range(3):
        in_a_context_of_its_own(uses)
    assert len(made) == 4


class MakesItsOwn(ContextPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return super().new_event_loop()


@pytest.mark.parametrize(
    "policy",
    [
        lambda: ContextPolicy(missing="create", loop_factory=asyncio.SelectorEventLoop),
        lambda: MakesItsOwn(missing="create"),
    ],
    ids=["a loop factory", "a method of its own"],
)
def test_only_a_policy_that_leaves_the_making_of_loops_to_asyncio_reuses_them(policy, made):
    with ctxpolicy.install(policy()):
        for _ in range(3):
            in_a_context_of_its_own(uses)
    assert len(made) == 3


def test_block_on_leases_loops_that_the_policy_makes(made, installed):
    installed.policy.new_event_loop = asyncio.SelectorEventLoop
    for _ in range(3):
        in_a_context_of_its_own(blocks)
    assert len(made) == 3


@provable
def test_the_pool_keeps_no_more_loops_than_its_capacity():
    many = threading.Barrier(_CAPACITY + 3)

    def job() -> None:
        runs()
        many.wait(60)

    threads = [threading.Thread(target=job) for _ in range(_CAPACITY + 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    del threads, thread
    collect_garbage()
    assert len(loop_pool._kept) == _CAPACITY


@provable
def test_uninstalling_closes_the_kept_loops_and_keeps_no_loop_that_is_still_leased(made):
    context = contextvars.Context()
    with ctxpolicy.install(missing="create"):
        context.run(uses)
        in_a_context_of_its_own(uses)
        (kept,) = [pooled.loop for pooled in loop_pool._kept]
    assert kept.is_closed()
    del context
    assert loop_pool._kept == []


def test_a_kept_loop_that_was_closed_is_skipped(made):
    in_a_context_of_its_own(uses)
    for pooled in loop_pool._kept:
        pooled.loop.close()
    in_a_context_of_its_own(runs)
    assert len(made) == 2


def test_a_loop_is_created_if_another_thread_takes_the_last_kept_loop(monkeypatch, made):
    class Emptied(list):
        def pop(self) -> Any:
            raise IndexError

    monkeypatch.setattr(loop_pool, "_kept", Emptied([1]))
    in_a_context_of_its_own(uses)
    assert len(made) == 1


def test_without_reference_counting_no_loop_is_reused(monkeypatch, made):
    monkeypatch.setattr("ctxpolicy._loops.pool.refcount", None)
    for _ in range(3):
        in_a_context_of_its_own(uses)
    assert len(made) == 3


def test_a_direct_call_of_the_reusable_factory_records_the_creation_site(installed):
    factory = installed.policy.leased_factory()
    assert isinstance(factory, ReusableFactory)
    loop = factory()
    assert "test_pool.py" in creation_site(loop)
    loop.close()


@provable
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_reuses_no_loop_of_its_parent():
    program = """
        import asyncio, contextvars, os, sys, threading, warnings
        import ctxpolicy
        from ctxpolicy._loops.pool import loop_pool

        def job():
            asyncio.get_event_loop().run_until_complete(asyncio.sleep(0))

        with ctxpolicy.install(missing="create"):
            contextvars.Context().run(job)
            (kept,) = [pooled.loop for pooled in loop_pool._kept]
            child = os.fork()
            if child == 0:
                contextvars.Context().run(job)
                assert kept not in [pooled.loop for pooled in loop_pool._kept]
                sys.exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            # The parent's loop is undisturbed: another thread can wake it.
            timer = threading.Timer(0.05, kept.call_soon_threadsafe, [kept.stop])
            timer.start()
            kept.run_forever()
            timer.join()
            print("woken")
    """
    assert run_program(textwrap.dedent(program)) == "woken"


def test_kept_loops_are_closed_at_exit_without_a_warning():
    program = """
        import asyncio, atexit, contextvars

        def job():
            asyncio.get_event_loop().run_until_complete(asyncio.sleep(0))

        atexit.register(lambda: contextvars.Context().run(job))  # called after the exit functions of ctxpolicy

        import ctxpolicy

        ctxpolicy.install(missing="create")
        contextvars.Context().run(job)
        print("done")
    """
    assert run_program(textwrap.dedent(program), flags=("-W", "error", "-X", "dev")) == "done"
    assert run_program(textwrap.dedent(program)) == "done"


def test_the_loop_of_a_released_lease_is_not_reused(made, installed):
    def job() -> None:
        uses()
        installed.policy.resolver.binding().lease.release()

    for _ in range(3):
        in_a_context_of_its_own(job)
    assert len(made) == 3
    assert loop_pool._kept == []


def test_a_lease_of_a_plain_factory_is_always_closed(made):
    for _ in range(3):
        lease = Lease("a test")
        lease.open(asyncio.SelectorEventLoop)
        del lease
        collect_garbage()
    assert len(made) == 3
    assert loop_pool._kept == []


@provable
def test_each_loop_that_nested_runs_give_back_is_kept_once(made):
    async def nested(depth: int) -> None:
        if depth:
            ctxpolicy.block_on(nested(depth - 1), nested="isolated")

    asyncio.run(nested(3))
    assert len(made) == 1 + 3
    assert len(loop_pool._kept) == len({id(pooled.loop) for pooled in loop_pool._kept}) == 3
    asyncio.run(nested(3))
    assert len(made) == 2 + 3


@provable
def test_a_lease_that_has_given_its_loop_back_has_no_loop_and_the_pool_keeps_the_loop_once(installed):
    lease = Lease("a test")
    lease.open(installed.policy.leased_factory())
    lease.give_back()
    assert lease.loop is None
    assert lease.slot is None
    lease.give_back()
    lease.release()
    del lease
    collect_garbage()
    (kept,) = loop_pool._kept
    assert not kept.loop.is_closed()


@provable
def test_a_callback_that_is_ready_is_run_before_the_loop_is_kept(made):
    log: list[str] = []

    async def leaves_a_callback() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, log.append, "called")

    async def main() -> None:
        for _ in range(3):
            ctxpolicy.block_on(leaves_a_callback(), nested="isolated")

    asyncio.run(main())
    assert log == ["called"] * 3
    assert len(made) == 2


@provable
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_an_exit_exception_of_a_ready_callback_is_raised_and_the_loop_is_closed(kind):
    def leaves() -> None:
        raise kind("leaving")

    lease = Lease("a test")
    loop = lease.open(ReusableFactory(asyncio.SelectorEventLoop))
    del loop
    lease.loop.call_soon(leaves)
    loop = lease.loop
    with pytest.raises(kind, match="leaving"):
        lease.give_back()
    assert loop.is_closed()
    assert lease.loop is None


def test_a_kept_loop_pins_nothing_of_the_context_that_it_was_created_in():
    class Pinned:
        pass

    variable: contextvars.ContextVar[Pinned] = contextvars.ContextVar("variable")

    def job() -> weakref.ref[Pinned]:
        pinned = Pinned()
        variable.set(pinned)
        uses()
        return weakref.ref(pinned)

    pinned = in_a_context_of_its_own(job)
    collect_garbage()
    assert pinned() is None
    if PROVABLE:
        assert len(loop_pool._kept) == 1


def test_a_failed_loop_creation_is_an_error_only_in_the_caller(made, monkeypatch):
    """The creation fails if no file descriptor is left. The discarded object has no loop to close."""

    def fails(loop: Any, *_: Any) -> None:
        raise OSError("no descriptor is left")

    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.SelectorEventLoop, "__init__", fails)
        patch.setattr(asyncio.BaseEventLoop, "__del__", lambda _: None)  # it fails without __init__
        with pytest.raises(OSError, match="no descriptor is left"):
            in_a_context_of_its_own(uses)
        collect_garbage()
    assert unraisable == []
    in_a_context_of_its_own(uses)
    assert len(made) == 1


def test_a_loop_that_is_never_reused_has_the_creation_site_of_its_lease_too(monkeypatch):
    def needs_one() -> str:
        return creation_site(asyncio.get_event_loop())

    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    assert in_a_context_of_its_own(needs_one).endswith(" in needs_one")


def test_no_loop_is_kept_after_interpreter_exit_has_begun(made, monkeypatch):
    pool = pool_module._LoopPool()
    monkeypatch.setattr(lease_module, "loop_pool", pool)
    in_a_context_of_its_own(uses)
    kept = [pooled.loop for pooled in pool._kept]
    assert len(kept) == PROVABLE
    pool.close_for_good()
    assert all(loop.is_closed() for loop in kept)
    for _ in range(2):
        in_a_context_of_its_own(uses)
    assert pool._kept == []
    assert len(made) == 3


@provable
def test_nested_runs_reuse_one_loop_and_a_changed_loop_is_shut_down(made):
    kept = []

    async def keeps() -> None:
        kept.append(asyncio.get_running_loop())

    async def main() -> None:
        for _ in range(3):
            ctxpolicy.block_on(asyncio.sleep(0), nested="isolated")
        assert len(made) == 2
        ctxpolicy.block_on(keeps(), nested="isolated")
        ctxpolicy.block_on(asyncio.sleep(0), nested="isolated")

    asyncio.run(main())
    assert len(made) == 3
    assert kept[0].is_closed()
