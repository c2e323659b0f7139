"""Facts about asyncio on Python 3.16: one function per fact, which fails if the fact is not true.

The facts were read in CPython's main branch after the policy system was removed (gh-127949): ``events.py``,
``unix_events.py`` and ``runners.py`` of ``Lib/asyncio``, and ``Modules/_asynciomodule.c``. ``test_emulator`` runs each
in a process of its own, on the emulator and, from 3.16 on, on Python itself; a fact need not restore what it sets.
Facts that are marked as older are true on 3.14 and 3.15 as they are, and must stay true when these are reshaped.
"""

from __future__ import annotations

import asyncio
import inspect
import signal
import socket
import sys
import threading
import traceback
import unittest
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ._fact_helpers import (
    FACTS,
    OLDER,
    Elsewhere,
    answers,
    error_of,
    events,
    fact,
    getters,
    in_fork,
    new_loop,
    older,
    platform_events,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("FACTS", "OLDER")

MODULES = (asyncio, events, platform_events)
REMOVED = (
    "get_event_loop_policy",
    "set_event_loop_policy",
    "AbstractEventLoopPolicy",
    "DefaultEventLoopPolicy",
    "WindowsSelectorEventLoopPolicy",
    "WindowsProactorEventLoopPolicy",
)


@fact
def no_function_or_class_of_the_policy_system_is_left() -> None:
    assert [name for module in MODULES for name in vars(module) if "policy" in name.lower()] == []
    assert not hasattr(events, "_lock")


@fact
def a_removed_name_is_unknown_without_a_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name in REMOVED:
            assert str(error_of(getattr, asyncio, name)) == f"module 'asyncio' has no attribute '{name}'"
            assert isinstance(error_of(exec, f"from asyncio import {name}"), ImportError)
    assert caught == []


@fact
def every_name_in_all_exists_and_no_policy_is_listed() -> None:
    for module in MODULES:
        assert [name for name in module.__all__ if "policy" in name.lower() or not hasattr(module, name)] == []
    assert set(events.__all__) <= set(asyncio.__all__)


@older
def the_names_that_stay_are_still_public() -> None:
    for name in ("get_event_loop", "set_event_loop", "new_event_loop", "get_running_loop", "AbstractEventLoop"):
        assert name in events.__all__
        assert name in asyncio.__all__
        assert getattr(asyncio, name) is getattr(events, name)


@fact
def the_current_loop_is_kept_in_a_thread_local_with_a_class_default() -> None:
    kind = type(events._local)
    assert kind is events._Local
    assert issubclass(kind, threading.local)
    assert kind is not threading.local
    assert vars(kind)["_loop"] is None
    assert (kind.__module__, kind.__qualname__) == ("asyncio.events", "_Local")


@older
def a_thread_without_a_loop_gets_the_usual_error() -> None:
    message = "There is no current event loop in thread 'lonely_0'."
    asking: list[Callable[[], object]] = [*getters(), asyncio.Future]
    with ThreadPoolExecutor(1, thread_name_prefix="lonely") as pool:
        errors = list(pool.map(error_of, asking))
    assert {(type(error), str(error)) for error in errors} == {(RuntimeError, message)}


@fact
def the_getter_for_the_set_loop_raises_the_usual_error() -> None:
    error = error_of(events._get_event_loop)
    assert (type(error), str(error)) == (RuntimeError, "There is no current event loop in thread 'MainThread'.")


@older
def no_loop_is_created_implicitly_in_the_main_thread() -> None:
    assert answers(None)


@older
def a_loop_that_was_set_is_returned_by_every_getter_until_none_is_set() -> None:
    with new_loop() as loop:
        asyncio.set_event_loop(loop)
        assert answers(loop)
        assert asyncio.Future().get_loop() is loop
        asyncio.set_event_loop(None)
        assert answers(None)


@fact
def setting_a_loop_writes_it_to_the_thread_local() -> None:
    with new_loop() as loop:
        asyncio.set_event_loop(loop)
        assert events._local._loop is loop
        assert events._get_event_loop() is loop
        asyncio.set_event_loop(None)
        assert events._local._loop is None


@older
def a_loop_that_was_set_is_unseen_in_other_threads() -> None:
    with new_loop() as loop, ThreadPoolExecutor(1) as pool:
        asyncio.set_event_loop(loop)
        assert isinstance(pool.submit(error_of, asyncio.get_event_loop).result(), RuntimeError)


@older
def an_object_that_is_not_a_loop_is_refused_and_the_previous_loop_stays() -> None:
    with new_loop() as loop:
        asyncio.set_event_loop(loop)
        error = error_of(asyncio.set_event_loop, "loop")
        message = "loop must be an instance of AbstractEventLoop or None, not 'str'"
        assert (type(error), str(error)) == (TypeError, message)
        assert asyncio.get_event_loop() is loop


@older
def the_running_loop_takes_precedence_over_the_one_that_was_set() -> None:
    async def main() -> bool:
        asyncio.set_event_loop(other)
        return answers(loop)

    with new_loop() as loop, new_loop() as other:
        assert loop.run_until_complete(main())
        assert answers(other)


@fact
def the_getter_for_the_set_loop_does_not_look_at_the_running_one() -> None:
    async def main() -> asyncio.AbstractEventLoop:
        loop: asyncio.AbstractEventLoop = events._get_event_loop()
        return loop

    with new_loop() as loop, new_loop() as other:
        asyncio.set_event_loop(other)
        assert loop.run_until_complete(main()) is other


@fact
def a_replaced_thread_local_is_used_by_every_getter() -> None:
    with new_loop() as loop:
        events._local = Elsewhere(loop)
        assert answers(loop)
        assert asyncio.Future().get_loop() is loop
        events._local._loop = None
        assert answers(None)


@fact
def a_replaced_thread_local_receives_a_loop_that_is_set() -> None:
    with new_loop() as loop:
        events._local = local = Elsewhere()
        asyncio.set_event_loop(loop)
        asyncio.set_event_loop(None)
        assert local.kept == [None, loop, None]


@fact
def only_the_getter_in_python_sees_a_replaced_getter_for_the_set_loop() -> None:
    with new_loop() as loop, new_loop() as other:
        asyncio.set_event_loop(loop)
        events._get_event_loop = lambda: other
        assert events._py_get_event_loop() is other
        if hasattr(events, "_c_get_event_loop"):
            assert events._c_get_event_loop() is loop


@older
def a_new_loop_is_of_the_platforms_kind_and_is_not_set() -> None:
    with new_loop() as loop:
        assert type(loop) is asyncio.EventLoop is platform_events.EventLoop
        assert isinstance(error_of(asyncio.get_event_loop), RuntimeError)


@fact
def the_kind_of_a_new_loop_is_looked_up_at_each_call() -> None:
    class Kind(asyncio.EventLoop):  # type: ignore[misc, valid-type, name-defined, unused-ignore]
        pass

    platform_events.EventLoop = Kind
    with new_loop() as loop:
        assert type(loop) is Kind


@older
def run_and_runner_call_functions_of_the_module_to_make_and_set_their_loop() -> None:
    async def main() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    told: list[asyncio.AbstractEventLoop | None] = []
    made = [asyncio.new_event_loop(), asyncio.new_event_loop()]
    events.new_event_loop = iter(made).__next__
    events.set_event_loop = told.append
    assert asyncio.run(main()) is made[0]
    with asyncio.Runner() as runner:
        assert runner.run(main()) is runner.get_loop() is made[1]
    assert told == [made[0], None, made[1], None]


@older
def run_with_a_loop_factory_neither_makes_nor_sets_a_loop() -> None:
    async def main() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    make = events.new_event_loop
    events.new_event_loop = events.set_event_loop = None
    assert type(asyncio.run(main(), loop_factory=make)) is asyncio.EventLoop


@fact
def run_sets_its_loop_and_leaves_none_behind() -> None:
    async def main() -> bool:
        return events._local._loop is asyncio.get_running_loop()

    with new_loop() as loop:
        asyncio.set_event_loop(loop)
        assert asyncio.run(main())
        assert events._local._loop is None


@fact
def a_forked_child_has_a_fresh_thread_local() -> None:
    def child() -> None:
        assert events._local is not local
        assert type(events._local) is events._Local
        assert events._local._loop is None
        assert local._loop is loop
        assert answers(None)

    with new_loop() as loop:
        asyncio.set_event_loop(loop)
        local = events._local
        assert in_fork(child) == 0
        assert events._local is local
        assert asyncio.get_event_loop() is loop


@fact
def a_replaced_thread_local_is_dropped_unchanged_in_a_forked_child() -> None:
    def child() -> None:
        assert type(events._local) is events._Local
        assert local.kept == [loop]

    with new_loop() as loop:
        events._local = local = Elsewhere(loop)
        assert in_fork(child) == 0
        assert events._local is local


@older
def a_forked_child_runs_no_loop_and_has_no_wakeup_descriptor() -> None:
    def child() -> None:
        assert asyncio._get_running_loop() is None
        assert signal.set_wakeup_fd(-1) == -1

    async def main() -> int:
        with ours, theirs:
            ours.setblocking(False)
            signal.set_wakeup_fd(ours.fileno())
            try:
                return in_fork(child)
            finally:
                assert signal.set_wakeup_fd(-1) == ours.fileno()

    ours, theirs = socket.socketpair()
    with new_loop() as loop:
        assert loop.run_until_complete(main()) == 0


@older
def a_forked_child_sets_the_running_loop_to_none() -> None:
    def child() -> None:
        assert told == [None]

    # The present C accelerator forgets the running loop by itself. Therefore the outcome alone would not show the call.
    told: list[asyncio.AbstractEventLoop | None] = []
    events._set_running_loop = told.append
    assert in_fork(child) == 0
    assert told == []


@older
def a_forked_child_can_run_a_loop_of_its_own() -> None:
    async def main() -> asyncio.AbstractEventLoop:
        return asyncio.get_event_loop()

    def child() -> None:
        assert asyncio.run(main()).is_closed()

    assert in_fork(child) == 0


@fact
def tracebacks_end_in_the_getter_of_asyncio_events() -> None:
    for ask in getters():
        *_, (frame, _) = traceback.walk_tb(error_of(ask).__traceback__)
        assert frame.f_code.co_qualname == "_get_event_loop"
        assert frame.f_globals["__name__"] == "asyncio.events"
        assert "raise RuntimeError" in inspect.getsource(frame.f_code)


@fact
def the_functions_are_those_of_asyncio_events() -> None:
    takes = {"_get_event_loop": [], "new_event_loop": [], "set_event_loop": ["loop"], "on_fork": []}
    for name, parameters in takes.items():
        function = getattr(events, name)
        assert (function.__module__, function.__qualname__) == ("asyncio.events", name)
        assert function.__code__.co_qualname == name
        assert "policy" not in str(function.__doc__)
        assert list(inspect.signature(function).parameters) == parameters


@older
def asynchronous_test_cases_of_unittest_run() -> None:
    class Case(unittest.IsolatedAsyncioTestCase):
        async def test(self) -> None:
            assert asyncio.get_event_loop() is asyncio.get_running_loop()

    result = unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(unittest.TestResult())
    assert result.testsRun == 1
    assert result.wasSuccessful(), result.errors


@older
def subprocesses_are_waited_for() -> None:
    async def main() -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-S", "-c", "raise SystemExit(7)")
        return await process.wait()

    assert asyncio.run(main()) == 7
