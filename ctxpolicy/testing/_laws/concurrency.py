"""Law 7: many threads at once, and threads that start in a copy of their starter's contextvars context."""

from __future__ import annotations

import sys
import threading
import unittest
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from ctxpolicy.testing._errors import ALL_LAWS
from ctxpolicy.testing._harness.description import Description
from ctxpolicy.testing._harness.new_process import run_elsewhere
from ctxpolicy.testing._harness.scenario import Scenario
from ctxpolicy.testing._laws.decorator import law, law_of, tests_of

__all__ = ["THREADS_INHERIT_CONTEXT", "CrowdLaws"]

THREADS_INHERIT_CONTEXT: Final = bool(getattr(sys.flags, "thread_inherit_context", False))
_THREADS: Final = 6
_ROUNDS: Final = 60


class CrowdLaws(Description):
    """The tests of many threads at once."""

    @law(7)
    def test_law_7_many_threads_at_once_keep_their_loops_apart(self, scenario: Scenario) -> None:
        """Threads with contexts of their own get the loops that they set, however often the interpreter switches."""
        scenario.note(
            f"{_THREADS} threads at once, each with a context of its own: set, get, set(None), get, {_ROUNDS} times"
        )
        barrier = threading.Barrier(_THREADS)
        with _switching_often(), ThreadPoolExecutor(_THREADS) as threads:
            jobs = [threads.submit(self._one_of_many, scenario, barrier) for _ in range(_THREADS)]
        for complaint in filter(None, (job.result() for job in jobs)):
            scenario.broken(complaint, "Share nothing between contexts, or use a lock; read and write in one step.")

    def _one_of_many(self, scenario: Scenario, barrier: threading.Barrier) -> str:
        with scenario.described_context() as run:
            barrier.wait()
            for _ in range(_ROUNDS):
                complaint = run(lambda: self._set_and_get(scenario)) or self._set_and_get(scenario)
                if complaint:
                    return complaint
        return ""

    def _set_and_get(self, scenario: Scenario) -> str:
        loop = scenario.loop()
        for each in (loop, None):
            scenario.resolver.set(each)
            found = None if self.one_context else scenario.ask()
            if found is not each and not self.one_context:
                return f"in {threading.current_thread().name}: get() returned {found!r} after set({each!r})"
        return ""

    @law(7)
    def test_law_7_all_laws_hold_with_thread_inherit_context(self, scenario: Scenario) -> None:
        """The other laws hold if a new thread starts in a copy of its starter's contextvars context (from 3.14 on).

        If that is the default (free-threaded builds), the test runs the laws without it.
        """
        if not hasattr(sys.flags, "thread_inherit_context"):
            raise unittest.SkipTest("this Python has no -X thread_inherit_context")
        others = {name: law_of(test) for name, test in tests_of(type(self)).items() if "fork" not in name}
        tests = [name for name, number in others.items() if number not in (0, 7, ALL_LAWS)]
        run_elsewhere(self, tests, f"-Xthread_inherit_context={int(not THREADS_INHERIT_CONTEXT)}")


@contextmanager
def _switching_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
