"""A leased loop is closed exactly when its lease ends."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import textwrap
import threading
import weakref

import pytest

from ctxpolicy import Lease
from ctxpolicy._asyncio import forked_loops
from ctxpolicy._fork import process
from ctxpolicy._loops import lease as lease_module
from ctxpolicy._loops.gc_pressure import CollectOnGrowth
from ctxpolicy._loops.pool import PooledLoop, ReusableFactory
from ctxpolicy.testing import StandInLoop, in_new_thread
from tests.support.programs import run_program


def collect() -> None:
    for _ in range(4):  # a cycle with finalizers takes PyPy several rounds
        gc.collect()


@pytest.fixture
def lease():
    lease = Lease("a test")
    lease.open(asyncio.SelectorEventLoop)
    yield lease
    lease.release()


def test_a_lease_shows_its_owner_and_the_place_that_needed_it(lease):
    assert (lease.context, lease.thread, lease.process) == ("a test", threading.get_ident(), process.id)
    assert lease.where.startswith(f"{__file__}:")
    assert repr(lease.loop) in repr(lease)
    assert "for a test" in repr(lease)
    assert f"from {lease.where}" in repr(lease)


def test_the_binding_of_a_lease_is_that_of_its_loop(lease):
    loop, thread, pid, same, where, scope = lease.binding()
    assert loop is lease.loop
    assert same is lease
    assert (thread, pid, where, scope) == (lease.thread, lease.process, lease.where, None)
    assert lease.binding(scope=lease).scope is lease


def test_a_lease_stands_from_its_opening_to_the_end_of_its_loop():
    lease = Lease("a test")
    assert not lease.stands()
    loop = lease.open(StandInLoop)
    assert lease.stands()
    loop.close()
    assert not lease.stands()


def test_the_loop_is_made_in_an_empty_contextvars_context():
    variable = contextvars.ContextVar("variable", default="none")
    seen = []

    def factory():
        seen.append(variable.get())
        return StandInLoop()

    def job():
        variable.set("the context's")
        return Lease("a test").open(factory)

    contextvars.copy_context().run(job)
    assert seen == ["none"]


def test_a_leased_selector_loop_pins_no_contextvars_context():
    """The handle of its self-pipe keeps a copy of the contextvars context in which the loop is created."""
    variable = contextvars.ContextVar("variable")
    lease = Lease("a test")

    def job():
        pinned = StandInLoop()
        variable.set(pinned)
        lease.open(asyncio.SelectorEventLoop)
        return weakref.ref(pinned)

    pinned = contextvars.copy_context().run(job)
    collect()
    assert pinned() is None
    lease.release()


def test_release_shuts_the_loop_down_once_as_asyncio_does():
    lease, log = Lease("a test"), []
    loop = lease.open(asyncio.SelectorEventLoop)

    async def forever():
        try:
            await asyncio.Event().wait()
        finally:
            log.append("cancelled")

    task = loop.create_task(forever())
    loop.run_until_complete(asyncio.sleep(0))
    lease.release()
    assert log == ["cancelled"]
    assert task.cancelled()
    assert loop.is_closed()
    assert lease.loop is None
    lease.release()


@pytest.mark.parametrize("factory", [asyncio.SelectorEventLoop, ReusableFactory(asyncio.SelectorEventLoop)])
@pytest.mark.parametrize("end", ["release", "__del__"])
def test_a_lease_that_has_ended_does_not_refer_to_its_loop(end, factory):
    lease = Lease("a test")
    loop = lease.open(factory)
    loop.set_debug(True)  # a loop that has changed is not kept
    getattr(lease, end)()
    assert loop.is_closed()
    assert not lease.stands()
    gone = weakref.ref(loop)
    del loop
    collect()
    assert gone() is None


def test_release_while_the_loop_runs_is_refused(lease):
    async def main():
        with pytest.raises(RuntimeError, match="cannot end while its loop is running"):
            lease.release()

    lease.loop.run_until_complete(main())
    assert lease.stands()


def test_giving_a_lease_back_while_its_loop_runs_in_another_thread_is_refused_and_runs_no_callback():
    lease, entered, leave, called = Lease("a test"), threading.Event(), threading.Event(), []
    loop = lease.open(ReusableFactory(asyncio.SelectorEventLoop))
    loop.call_soon(lambda: (entered.set(), leave.wait()))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    entered.wait()
    loop.call_soon_threadsafe(called.append, "called")
    with pytest.raises(RuntimeError, match="cannot end while its loop is running"):
        lease.give_back()
    assert called == []
    loop.call_soon_threadsafe(loop.stop)
    leave.set()
    thread.join()
    assert called == ["called"]
    lease.release()


def test_release_in_another_thread_only_closes_the_loop_and_names_its_pending_work():
    lease = Lease("a test")
    loop = lease.open(asyncio.SelectorEventLoop)
    task = loop.create_task(asyncio.sleep(0), name="left over")
    task._log_destroy_pending = False
    with pytest.warns(ResourceWarning, match=r"leased at .*test_lease.py.* for a test was closed.*left over"):
        in_new_thread(lease.release)
    assert loop.is_closed()
    task.get_coro().close()


def test_a_lease_of_another_process_is_neither_released_nor_closed():
    class Inherited(StandInLoop):
        pass

    lease = Lease("a test")
    lease.open(Inherited)
    lease.process = -1
    assert not lease.stands()
    lease.release()
    del lease
    collect()
    (kept,) = [thing for thing in forked_loops._inherited if isinstance(thing, Inherited)]
    assert not kept.is_closed()


def test_the_loop_is_closed_with_the_last_reference_to_the_lease():
    lease = Lease("a test")
    loop = lease.open(asyncio.SelectorEventLoop)
    del lease
    collect()
    assert loop.is_closed()


def test_a_lease_that_was_never_opened_ends_quietly():
    gone = weakref.ref(Lease("a test"))
    collect()
    assert gone() is None


def test_a_lease_ends_even_if_its_loop_refers_to_it():
    """A timer, a pending task or a server may refer to it. A finalizer that refers to the loop would then never run."""
    lease = Lease("a test")
    loop = lease.open(asyncio.SelectorEventLoop)
    loop.call_later(3600, repr, lease)
    closed = weakref.ref(loop)
    del lease, loop
    with pytest.warns(ResourceWarning, match="with pending work: <TimerHandle .*repr"):
        collect()
    assert closed() is None


def test_without_reference_counting_unreachable_leases_do_not_accumulate(monkeypatch):
    monkeypatch.setattr(lease_module, "refcount", None)  # as on PyPy
    monkeypatch.setattr(lease_module, "_collect_on_growth", CollectOnGrowth())
    most = 0
    gc.disable()
    try:
        for _ in range(500):
            lease = Lease("a job")
            lease.open(StandInLoop).refers_to = lease  # a cycle
            del lease
            most = max(most, len(lease_module._open))
    finally:
        gc.enable()
        collect()
    assert most <= 256  # PyPy takes several rounds for a cycle with finalizers, and each round leaves some leases


class Collector:
    """Records at each call how many objects are alive, and frees as many as ``frees`` returns for that round."""

    def __init__(self):
        self.alive, self.counts = [], []
        self.frees = lambda rounds: 0

    def __call__(self):
        self.counts.append(len(self.alive))
        del self.alive[: self.frees(len(self.counts))]


@pytest.fixture
def collected(monkeypatch):
    collector = Collector()
    monkeypatch.setattr(gc, "collect", collector)
    return collector


def lease_one_after_the_other(collected, times):
    collector = CollectOnGrowth()
    for _ in range(times):
        collected.alive.append(None)
        collector.check(collected.alive)


def test_leases_in_use_do_not_cause_a_collection_each_time(collected):
    lease_one_after_the_other(collected, 1000)
    assert collected.counts == [64] * 4 + [128] * 4 + [256] * 4 + [512] * 4


def test_garbage_is_collected_in_several_rounds_until_half_of_the_objects_are_gone(collected):
    collected.frees = lambda rounds: 0 if rounds % 3 else 32
    lease_one_after_the_other(collected, 1000)
    assert len(collected.alive) < 64
    assert set(collected.counts) == {64}


def test_objects_that_are_finalized_after_the_collection_count_too(collected):
    collector = CollectOnGrowth()
    for _ in range(20):
        collected.alive += [None] * 64
        collector.check(collected.alive)
        assert len(collected.counts) % 4 == 0, "nothing was gone at once"
        collected.alive.clear()  # by another thread
        collector.check(collected.alive)
    assert set(collected.counts) == {64}
    assert len(collected.counts) == 80


def test_without_reference_counting_no_count_means_that_a_lease_is_unreachable(monkeypatch):
    monkeypatch.setattr(lease_module, "refcount", None)
    assert lease_module._refcount_when_unreachable() == 0


def test_a_pooled_loop_is_closed_once():
    loop = StandInLoop()
    pooled = PooledLoop(object(), loop)
    pooled.close()
    assert loop.is_closed()
    pooled.close()
    assert pooled.loop is None


def test_a_lease_that_ends_while_its_loop_runs_warns_and_closes_the_loop_at_exit():
    program = """
        import asyncio, gc, sys, warnings
        from ctxpolicy import Lease
        from ctxpolicy._loops import lease as lease_module

        lease = Lease("a test")
        loop = lease.open(asyncio.SelectorEventLoop)

        async def main():
            global lease
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                del lease
                gc.collect()
            (warning,) = caught
            assert warning.category is ResourceWarning
            assert "for a test is still running at the end of its lease" in str(warning.message)

            lease_module._close_all()  # as at exit, but the loop still runs

        loop.run_until_complete(main())
        assert not loop.is_closed()
        loop.close = lambda close=loop.close: (print("closed"), close())
    """
    assert run_program(textwrap.dedent(program)) == "closed"


def test_an_error_while_closing_a_loop_that_the_collector_has_finalized_is_ignored():
    closed = []

    class Finalized(StandInLoop):
        def close(self):
            closed.append(self)
            raise ValueError("Invalid file descriptor: -1")

    lease = Lease("a test")
    loop = lease.open(Finalized)
    del lease
    collect()
    assert closed == [loop]


def test_open_leases_end_at_exit_the_youngest_first():
    program = """
        import asyncio
        from ctxpolicy import Lease
        from ctxpolicy._loops import lease as lease_module

        class Loop(asyncio.SelectorEventLoop):
            def close(self):
                print(self.name)
                super().close()

        def loop(name):
            made = Loop()
            made.name = name
            return made

        leases = [Lease("a test") for _ in range(4)]
        for number, lease in enumerate(leases):
            lease.open(lambda: loop(number))
        leases[1].release()
        leases[2].loop.is_running = lambda: True
        lease_module._close_all()  # as at exit
        del leases[2].loop.is_running
    """
    assert run_program(textwrap.dedent(program)).split() == ["1", "3", "0", "2"]


def test_at_exit_each_lease_ends_whatever_the_others_raise():
    program = """
        import asyncio, sys
        from ctxpolicy import Lease
        from ctxpolicy._loops import lease as lease_module

        class Loop(asyncio.SelectorEventLoop):
            def close(self):
                super().close()
                raise OSError(self.name)

        def loop(name):
            made = Loop()
            made.name = name
            return made

        leases = [Lease("a test") for _ in range(2)]
        loops = [lease.open(lambda: loop(number)) for number, lease in enumerate(leases)]
        unclosed = [loop(number) for number in (2, 3)]
        lease_module.unclosed += unclosed
        sys.excepthook = lambda kind, error, trace: print(error)
        lease_module._close_all()  # as at exit
        print(all(each.is_closed() for each in loops + unclosed))
        lease_module.unclosed.clear()
    """
    assert run_program(textwrap.dedent(program)).split() == ["1", "0", "2", "3", "True"]


def test_at_exit_each_lease_ends_even_if_warnings_are_errors():
    program = """
        import asyncio, sys, threading
        from ctxpolicy import Lease
        from ctxpolicy._loops import lease as lease_module

        leases, loops = [], []

        def leave_a_timer():
            leases.append(Lease("a thread"))
            loops.append(leases[-1].open(asyncio.SelectorEventLoop))
            loops[-1].call_later(60, print)

        leases.append(Lease("a test"))
        loops.append(leases[0].open(asyncio.SelectorEventLoop))
        thread = threading.Thread(target=leave_a_timer)
        thread.start()
        thread.join()
        sys.excepthook = lambda kind, error, trace: print("TimerHandle" in str(error))
        lease_module._close_all()
        print(all(loop.is_closed() for loop in loops))
    """
    assert run_program(textwrap.dedent(program), flags=("-W", "error")).split() == ["True", "True"]


def test_leases_in_garbage_cycles_end_before_their_loops_are_finalized():
    """Otherwise the finalizer of each loop would warn."""
    program = """
        import asyncio, gc, sys
        from ctxpolicy import Lease
        from ctxpolicy._asyncio import forked_loops

        complaints = []
        sys.unraisablehook = complaints.append

        def job():
            lease = Lease("a job")
            loop = lease.open(asyncio.SelectorEventLoop)
            loop.call_later(3600, repr, lease)  # a cycle

        for _ in range(50):
            job()
        gc.collect()
        print(sum("unclosed event loop" in str(complaint.exc_value) for complaint in complaints))
    """
    assert int(run_program(textwrap.dedent(program))) <= 5


@pytest.mark.parametrize("kind", ["asyncio.SelectorEventLoop", "__import__('uvloop').new_event_loop"])
def test_giving_a_lease_back_in_a_forked_child_closes_its_copy_of_the_loop_if_detached(kind):
    if "uvloop" in kind:
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    program = f"""
        import asyncio, os
        from ctxpolicy import Lease

        lease, unopened = Lease("a test"), Lease("a test")
        loop = lease.open({kind})
        child = os.fork()
        if child == 0:
            lease.give_back()
            unopened.give_back()
            assert lease.loop is None or not loop.is_closed()
            os._exit(2 if loop.is_closed() else 3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), loop.is_closed())
        lease.release()
    """
    assert run_program(textwrap.dedent(program)) == f"{3 if 'uvloop' in kind else 2} False"
