"""Law 7: many threads at once, and threads that start in a copy of their maker's contextvars context."""

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
    def test_law_7_many_threads_at_once_keep_their_loops_apart(self, play: Scenario) -> None:
        """Threads that switch at every turn each find what they have set, in contexts of their own."""
        play.note(
            f"{_THREADS} threads at once, each with a context of its own: set, get, set(None), get, {_ROUNDS} times"
        )
        barrier = threading.Barrier(_THREADS)
        with _switching_often(), ThreadPoolExecutor(_THREADS) as threads:
            jobs = [threads.submit(self._one_of_many, play, barrier) for _ in range(_THREADS)]
        for complaint in filter(None, (job.result() for job in jobs)):
            play.broken(complaint, "Guard what the contexts share, or share nothing; read and write in one step.")

    def _one_of_many(self, play: Scenario, barrier: threading.Barrier) -> str:
        with play.described_context() as run:
            barrier.wait()
            for _ in range(_ROUNDS):
                complaint = run(lambda: self._set_and_get(play)) or self._set_and_get(play)
                if complaint:
                    return complaint
        return ""

    def _set_and_get(self, play: Scenario) -> str:
        loop = play.loop()
        for each in (loop, None):
            play.resolver.set(each)
            found = None if self.one_context else play.ask()
            if found is not each and not self.one_context:
                return f"in {threading.current_thread().name}: get() returned {found!r} after set({each!r})"
        return ""

    @law(7)
    def test_law_7_all_laws_hold_with_thread_inherit_context(self, play: Scenario) -> None:
        """The other laws hold where new threads start in a copy of their maker's contextvars context (3.14 and later).

        Where they do so already (free-threaded builds), it is tested that the laws hold where they do not.
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
