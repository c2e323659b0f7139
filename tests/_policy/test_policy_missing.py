"""If no loop is bound, get_event_loop does the same as asyncio, raises, or creates a loop."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import warnings
import weakref

import pytest

from ctxpolicy import ContextPolicy, ContextResolver, ContextVarResolver, NoCurrentLoopError, ThreadResolver
from ctxpolicy._asyncio.capabilities import CREATES_IMPLICITLY, CREATION_WARNS, platform_loop
from ctxpolicy._asyncio.forked_loops import is_kept_alive
from tests.support.policies import collect_garbage, in_force, in_thread
from tests.support.resolver_cases import CASES

creates = pytest.mark.skipif(not CREATES_IMPLICITLY, reason="asyncio of this Python creates no loop implicitly")


def created_implicitly() -> asyncio.AbstractEventLoop:
    """Get a loop that asyncio creates implicitly, and expect the warning on the Pythons that warn."""
    if CREATION_WARNS:
        with pytest.warns(DeprecationWarning, match="There is no current event loop"):
            return asyncio.get_event_loop()
    return asyncio.get_event_loop()


def gets_none() -> NoCurrentLoopError:
    with pytest.raises(NoCurrentLoopError) as caught:
        asyncio.get_event_loop()
    return caught.value


# --- "error" ----------------------------------------------------------------------------------------------------------


def test_error_raises_on_every_python_in_the_main_thread_too(resolver):
    with in_force(ContextPolicy(resolver, missing="error")):
        error = gets_none()
        assert isinstance(error, RuntimeError)
        assert str(error) == (
            f"There is no current event loop in thread 'MainThread'. ({resolver.describe()} has none. Run async code "
            "with asyncio.run(); or bind a loop with asyncio.set_event_loop(); or have missing loops created: "
            'ctxpolicy.install(missing="create").)'
        )


def test_the_error_names_the_thread_that_the_loop_was_bound_in():
    loop = platform_loop()
    with in_force(ContextPolicy(ContextVarResolver(), missing="error")):
        asyncio.set_event_loop(loop)
        copy = contextvars.copy_context()
        error = in_thread(copy.run, gets_none, name="tenant-7")
    loop.close()
    assert "There is no current event loop in thread 'tenant-7'." in str(error)
    assert "the contextvars context in thread 'tenant-7' has none of its own: " in str(error)
    assert f"{loop!r}".partition(" ")[0] in str(error)
    assert "was bound in thread 'MainThread'. " in str(error)


def test_the_error_names_the_task():
    async def main() -> str:
        asyncio.current_task().set_name("tenant 7")
        loop = asyncio.get_running_loop()
        error = await loop.run_in_executor(None, contextvars.copy_context().run, gets_none)
        return f"{policy.no_loop_error()} {error}"

    policy = ContextPolicy("task", missing="error")
    with in_force(policy):
        message = asyncio.run(main())
    assert "(task 'tenant 7' in thread 'MainThread' has none. " in message


def test_every_context_without_a_loop_raises(resolver_case):
    with in_force(ContextPolicy(resolver_case.make(), missing="error")):
        gets_none()
        in_thread(gets_none)
        contextvars.Context().run(gets_none)
        asyncio.run(asyncio.sleep(0))
        gets_none()


# --- "create" ---------------------------------------------------------------------------------------------------------


def test_create_makes_one_loop_per_context_and_keeps_it(resolver):
    with in_force(ContextPolicy(resolver, missing="create")):
        loop = asyncio.get_event_loop()
        assert asyncio.get_event_loop() is loop
        assert not loop.is_closed()
        assert loop.run_until_complete(asyncio.sleep(0, "done")) == "done"
        asyncio.set_event_loop(None)
        assert not resolver_keeps_leases(resolver) or asyncio.get_event_loop() is loop


@pytest.mark.skipif(sys.implementation.name == "pypy", reason="PyPy frees nothing at once")
def test_a_policy_and_its_resolver_are_freed_at_once_so_that_leases_end_before_their_loops(resolver_case):
    collect_garbage()
    gc.disable()
    try:
        with in_force(ContextPolicy(resolver_case.make(), missing="create")) as policy:
            asyncio.get_event_loop()
            gone = weakref.ref(policy), weakref.ref(policy.resolver)
        del policy
        assert [reference() for reference in gone] == [None, None]
    finally:
        gc.enable()


def resolver_keeps_leases(resolver: ContextResolver) -> bool:
    return hasattr(resolver, "load")


def test_a_loop_set_by_hand_replaces_the_created_loop_until_it_is_unset():
    loop = platform_loop()
    with in_force(ContextPolicy("thread", missing="create")):
        made = asyncio.get_event_loop()
        asyncio.set_event_loop(loop)
        assert asyncio.get_event_loop() is loop
        asyncio.set_event_loop(None)
        assert asyncio.get_event_loop() is made
        asyncio.run(asyncio.sleep(0))
        assert asyncio.get_event_loop() is made
    loop.close()


@pytest.mark.parametrize("case", [case for case in CASES.values() if not case.one_context], ids=lambda case: case.name)
def test_every_thread_has_a_loop_of_its_own(case):
    if case.missing:
        pytest.skip(case.missing)
    together, loops = threading.Barrier(3), []

    def job() -> None:
        loops.append(asyncio.get_event_loop())
        together.wait()

    with in_force(ContextPolicy(case.make(), missing="create")):
        threads = [threading.Thread(target=contextvars.Context().run, args=[job]) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(loops)) == 3
    del threads, thread


def test_a_process_has_one_loop_whichever_thread_needs_it_first():
    together, loops = threading.Barrier(4), []

    def job() -> None:
        together.wait()
        loops.append(asyncio.get_event_loop())

    with in_force(ContextPolicy("process", missing="create")):
        threads = [threading.Thread(target=job) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert loops == [asyncio.get_event_loop()] * 4


def test_the_loop_of_a_thread_is_closed_when_the_thread_is_gone():
    with in_force(ContextPolicy("thread", missing="create")):
        loop = in_thread(asyncio.get_event_loop)
    collect_garbage()
    assert loop.is_closed()


def test_the_loop_of_a_contextvars_context_is_closed_when_the_context_is_gone():
    with in_force(ContextPolicy("contextvar", missing="create")):
        context = contextvars.Context()
        loop = context.run(asyncio.get_event_loop)
        copy = context.copy()
        del context
        collect_garbage()
        assert not loop.is_closed()  # the copy inherited the lease
        assert copy.run(asyncio.get_event_loop) is loop
        del copy
        collect_garbage()
        assert loop.is_closed()


def test_the_loop_of_a_job_in_a_worker_thread_is_closed_when_the_jobs_context_is_gone():
    async def main() -> list[asyncio.AbstractEventLoop]:
        return [await asyncio.to_thread(asyncio.get_event_loop) for _ in range(3)]

    with in_force(ContextPolicy("contextvar", missing="create")):
        loops = asyncio.run(main())
    collect_garbage()
    assert all(loop.is_closed() for loop in loops)


def test_a_factory_may_bind_its_loop_itself():
    def factory() -> asyncio.AbstractEventLoop:
        loop = platform_loop()
        asyncio.set_event_loop(loop)
        return loop

    with in_force(ContextPolicy("thread", missing="create", loop_factory=factory)):
        loop = asyncio.get_event_loop()
        assert asyncio.get_event_loop() is loop


def test_a_plain_resolver_ends_its_lease_when_a_loop_is_set_or_unset():
    class Plain(ContextResolver):
        loop = None

        def get(self):
            return self.loop

        def set(self, loop):
            self.loop = loop

    with in_force(ContextPolicy(Plain(), missing="create")):
        made = asyncio.get_event_loop()
        assert asyncio.get_event_loop() is made
        other = platform_loop()
        asyncio.set_event_loop(other)
        assert made.is_closed()
        assert asyncio.get_event_loop() is other
        asyncio.set_event_loop(None)
        assert not other.is_closed()  # ctxpolicy did not make this loop
        other.close()
        another = asyncio.get_event_loop()
        asyncio.set_event_loop(None)
        assert another.is_closed()


# --- "asyncio": the loop that is created implicitly -------------------------------------------------------------------


@creates
def test_one_implicit_loop_is_created_for_all_contexts_of_the_main_thread():
    with in_force(ContextPolicy("contextvar")) as policy:
        loop = contextvars.Context().run(created_implicitly)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the loop is created once, with one warning
            assert contextvars.Context().run(asyncio.get_event_loop) is loop
            assert asyncio.get_event_loop() is loop
        assert policy.legacy_loop() is loop
        in_thread(gets_none)
    loop.close()


@creates
def test_once_the_implicit_loop_is_closed_another_context_gets_a_new_one():
    with in_force(ContextPolicy("contextvar")) as policy:
        first = created_implicitly()
        first.close()
        assert asyncio.get_event_loop() is first  # asyncio does the same
        assert policy.legacy_loop() is None
        second = contextvars.Context().run(created_implicitly)
        assert second is not first
    second.close()


@creates
def test_the_implicit_loop_lives_until_it_is_closed_even_if_the_context_that_created_it_is_gone():
    done = []

    async def work():
        await asyncio.sleep(0)
        done.append(True)

    with in_force(ContextPolicy("contextvar")) as policy:
        reference = contextvars.Context().run(lambda: weakref.ref(created_implicitly().create_task(work()).get_loop()))
        collect_garbage()
        loop = contextvars.Context().run(asyncio.get_event_loop)
        assert reference() is loop
        contextvars.Context().run(loop.run_until_complete, asyncio.sleep(0.01))
        assert done == [True]
        loop.close()
        del loop
        assert policy.legacy_loop() is None
        collect_garbage()
        assert reference() is None


@creates
def test_the_implicit_loop_is_not_leased():
    with in_force(ContextPolicy("contextvar")) as policy:
        context = contextvars.Context()
        loop = context.run(created_implicitly)
        assert policy.resolver.binding() is None
        assert context.run(policy.resolver.binding).lease is None
    loop.close()


@creates
def test_a_forked_child_forgets_the_implicit_loop():
    with in_force(ContextPolicy("contextvar")) as policy:
        loop = created_implicitly()
        policy.after_fork()  # what happens in a forked child
        assert policy.legacy_loop() is None
        assert is_kept_alive(loop)
    loop.close()


@creates
def test_a_copied_context_inherits_the_mark_that_a_loop_was_set():
    with in_force(ContextPolicy("contextvar")):
        context = contextvars.Context()
        context.run(asyncio.set_event_loop, None)
        context.run(gets_none)
        context.copy().run(gets_none)
        loop = contextvars.Context().run(created_implicitly)
        context.run(gets_none)
    loop.close()


@creates
def test_a_set_in_a_worker_thread_does_not_stop_creation_in_the_main_thread(resolver_case):
    if resolver_case.one_context:
        pytest.skip("all threads are one context")

    def job() -> None:
        asyncio.set_event_loop(None)

    with in_force(ContextPolicy(resolver_case.make())):
        in_thread(contextvars.Context().run, job)
        loop = created_implicitly()
    loop.close()


@creates
def test_a_set_whose_type_check_fails_counts_as_a_set(resolver):
    with in_force(ContextPolicy(resolver)):
        with pytest.raises((TypeError, AssertionError)):
            asyncio.set_event_loop("loop")
        gets_none()


@creates
def test_a_set_that_the_resolver_ignores_ends_in_an_error():
    class Forgetful(ContextResolver):
        def get(self):
            return None

        def set(self, loop):
            pass

    loops = []

    def factory() -> asyncio.AbstractEventLoop:
        loops.append(platform_loop())
        return loops[-1]

    with in_force(ContextPolicy(Forgetful(), loop_factory=factory)):
        if CREATION_WARNS:
            with pytest.warns(DeprecationWarning, match="There is no current event loop"):
                gets_none()
        else:
            gets_none()
    loops[0].close()


@pytest.mark.skipif(CREATES_IMPLICITLY, reason="asyncio of this Python creates loops implicitly")
def test_no_loop_is_created_if_asyncio_creates_none_implicitly(resolver):
    with in_force(ContextPolicy(resolver)) as policy:
        gets_none()
        assert policy.legacy_loop() is None


def test_missing_action_names_the_action_without_doing_it(resolver):
    for missing, remedies in (("error", {"error"}), ("create", {"lease"}), ("asyncio", {"legacy", "error"})):
        policy = ContextPolicy(resolver, missing=missing)
        assert policy.missing_action() in remedies
        assert resolver.get() is None
    assert ContextPolicy(ThreadResolver()).missing_action() == ("legacy" if CREATES_IMPLICITLY else "error")
    assert in_thread(ContextPolicy(ThreadResolver()).missing_action) == "error"


def test_a_dropped_policy_is_freed_and_its_leased_loop_is_closed(resolver_case):
    policy = ContextPolicy(resolver_case.make(), missing="create")
    with in_force(policy):
        loop = contextvars.Context().run(asyncio.get_event_loop)
    alive = weakref.ref(policy)
    del policy
    collect_garbage()
    assert alive() is None
    assert loop.is_closed()
