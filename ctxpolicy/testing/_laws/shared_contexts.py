"""Law 8: several threads are in one context at once, for example workers that share a request or a session."""

from __future__ import annotations

import gc
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from ctxpolicy._loops.lease import Lease
from ctxpolicy.testing._harness.contexts import Run, in_new_thread, thread_context
from ctxpolicy.testing._harness.description import Description
from ctxpolicy.testing._harness.scenario import Context, Scenario
from ctxpolicy.testing._laws.decorator import law

__all__ = ["SharedContextLaws"]

_PER_THREAD: Final = "Keep a binding for each thread, as SlotResolver does in the value that it passes to store()."
_ATOMIC: Final = "Look and lease under one lock, as SlotResolver does."
_EXCLUSIVE: Final = "bindings.is_thread_exclusive() must be false where other threads are handed the bound loop."
_THREADS: Final = 4
T = TypeVar("T")


class SharedContextLaws(Description):
    """The tests of contexts that several threads can be in at once. Other contexts are not tested."""

    @law(8)
    def test_law_8_what_another_thread_sets_leaves_the_loop_of_this_one_bound(self, scenario: Scenario) -> None:
        """Another thread in the context sets and unsets a loop, as asyncio.run() does. Each thread has its own loop."""
        context = self._shared_context(scenario)
        if context is None or self._threads_share_a_loop():
            return
        loop = scenario.loop()
        context.set(loop)
        with thread_context() as elsewhere:
            for other in scenario.loop(), None, scenario.loop(), None:
                scenario.note(f"in another thread, in {context.name}: the policy's set_event_loop({other!r})")
                elsewhere(lambda: context.run(lambda: scenario.policy.set_event_loop(other)))  # noqa: B023 - called at once
                found = elsewhere(lambda: context.run(scenario.ask))
                if found is not other:
                    scenario.broken(f"that thread was handed {scenario.formatted(found)}", _PER_THREAD)
                context.expect(loop, "which this thread has set there", _PER_THREAD)
            context.set(None)
            context.expect(None, "after set(None) in this thread", _PER_THREAD)

    @law(8)
    def test_law_8_a_lease_of_another_thread_closes_no_loop(self, scenario: Scenario) -> None:
        """Threads that lease a loop in one context get one each or share one. None closes another thread's loop."""
        context = self._shared_context(scenario)
        if context is None:
            return
        mine = context.lease()
        with thread_context() as elsewhere:
            other = elsewhere(lambda: context.run(scenario.policy.get_event_loop))
            scenario.note(f"in another thread, in {context.name}: the policy gives {scenario.formatted(other)}")
            if (other is mine) is not self._threads_share_a_loop():
                scenario.broken(f"another thread in {context.name} was given {scenario.formatted(other)}", _PER_THREAD)
            gc.collect()
            for loop in mine, other:
                if loop.is_closed():
                    scenario.broken(
                        f"{scenario.formatted(loop)} was closed while its thread is in {context.name}", _PER_THREAD
                    )
            context.expect(mine, "which this thread has leased there", _PER_THREAD)

    @law(8)
    def test_law_8_threads_that_lease_at_once_get_open_loops(self, scenario: Scenario) -> None:
        """Threads that need a loop in one context at the same moment get one each, or all get the same loop."""
        context = self._shared_context(scenario)
        if context is None:
            return
        barrier, done = threading.Barrier(_THREADS), threading.Barrier(_THREADS)

        def lease() -> tuple[AbstractEventLoop, bool]:
            barrier.wait()
            loop = context.run(scenario.policy.get_event_loop)
            done.wait()
            return loop, loop.is_closed()

        with ThreadPoolExecutor(_THREADS) as threads:
            leased = [job.result() for job in [threads.submit(lease) for _ in range(_THREADS)]]
        scenario.note(f"{_THREADS} threads lease a loop in {context.name} at once")
        loops = {id(loop) for loop, _ in leased}
        if len(loops) != (1 if self._threads_share_a_loop() else _THREADS) or any(closed for _, closed in leased):
            scenario.broken(f"they were given {[scenario.formatted(loop) for loop, _ in leased]}", _ATOMIC)
        in_new_thread(lambda: context.run(scenario.resolver.bindings.clear))

    @law(8)
    def test_law_8_isolated_calls_at_once_leave_what_was_bound(self, scenario: Scenario) -> None:
        """Two calls of isolate() that end in the order in which they began do not change the context's binding."""
        context = self._shared_context(scenario)
        if context is None:
            return
        loop = scenario.loop()
        context.set(loop)
        with thread_context() as first, thread_context() as second:
            calls = [_IsolatedCall(scenario, context, run) for run in (first, second)]
            scenario.note(f"two calls of isolate() begin in {context.name}, and end in the same order")
            for call in calls:
                call.end()
            context.expect(loop, "which was bound there before the calls", _EXCLUSIVE)
            for run in first, second:
                found = run(lambda: context.run(scenario.ask))
                if found is not (loop if self._threads_share_a_loop() else None):
                    scenario.broken(
                        f"a thread of the calls was handed {scenario.formatted(found)} after them", _EXCLUSIVE
                    )

    def _threads_share_a_loop(self) -> bool:
        return self.any_thread or self.one_context

    def _shared_context(self, scenario: Scenario) -> Context | None:
        context = scenario.here if self.one_context else scenario.context()
        return context if context.admits_threads() else None


class _IsolatedCall:
    """Does the same steps as isolate() does in the thread of a call, inside the context of the caller."""

    def __init__(self, scenario: Scenario, context: Context, run: Run) -> None:
        self._scenario = scenario
        self._context = context
        self._run = run
        self._token: Any = None
        self._entered = self._in_context(self._begin)

    def end(self) -> None:
        if self._entered:
            self._in_context(lambda: self._scenario.resolver.bindings.leave_scope(self._token))
        self._in_context(self._lease.release)

    def _in_context(self, function: Callable[[], T]) -> T:
        return self._run(lambda: self._context.run(function))

    def _begin(self) -> bool:
        self._lease = Lease("an isolated call")  # here, because a lease belongs to the thread that makes it
        self._lease.open(self._scenario.policy.new_event_loop)
        bindings = self._scenario.resolver.bindings
        if not bindings.is_thread_exclusive():
            return False
        self._token = bindings.enter_scope(self._lease)
        return True
