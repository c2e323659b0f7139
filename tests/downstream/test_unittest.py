"""unittest.IsolatedAsyncioTestCase."""

from __future__ import annotations

import asyncio
import contextvars
import io
import sys
import unittest

import ctxpolicy
from ctxpolicy import Installation
from tests.support.resolver_cases import ResolverCase

stage: contextvars.ContextVar[str] = contextvars.ContextVar("stage", default="none")


def run(case: type[unittest.TestCase]) -> unittest.TestResult:
    """Run the tests of ``case``, as ``python -m unittest`` does."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
    return unittest.TextTestRunner(io.StringIO()).run(suite)


def make_case() -> type[unittest.TestCase]:
    """Return a test case that uses all features; pytest does not collect a class that a function makes."""

    class Case(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self) -> None:
            stage.set("set up")
            self.loop = asyncio.get_running_loop()
            self.cleaned: list[str] = []
            self.addAsyncCleanup(self.clean)

        async def clean(self) -> None:
            self.cleaned.append(stage.get())

        async def asyncTearDown(self) -> None:
            assert asyncio.get_running_loop() is self.loop
            assert stage.get() == "tested"

        async def test_the_context_and_the_loop_carry_over_from_the_setup(self) -> None:
            assert stage.get() == "set up"
            assert asyncio.get_event_loop() is self.loop
            stage.set("tested")

        async def test_tasks_and_threads_work(self) -> None:
            assert await asyncio.gather(*(asyncio.to_thread(abs, -n) for n in range(3))) == [0, 1, 2]
            stage.set("tested")

        async def test_a_failure_is_reported(self) -> None:
            stage.set("tested")
            self.assertEqual(await asyncio.sleep(0, 1), 2)  # noqa: PT009 - what this test is about

        async def test_a_forgotten_task_is_cancelled(self) -> None:
            self.forgotten = asyncio.create_task(asyncio.Event().wait())
            stage.set("tested")

    return Case


def test_isolated_test_cases_run_as_without_ctxpolicy(installed: Installation) -> None:
    result = run(make_case())
    assert result.testsRun == 4
    assert result.errors == []
    ((failed, report),) = result.failures
    assert failed.id().endswith("test_a_failure_is_reported")
    assert "AssertionError: 1 != 2" in report
    assert installed.policy.resolver.get() is None


def test_a_sync_setup_finds_the_loop_unless_another_contextvars_context_has_it(resolver_case: ResolverCase) -> None:
    found: list[object] = []

    class Case(unittest.IsolatedAsyncioTestCase):
        def setUp(self) -> None:
            try:
                found.append(asyncio.get_event_loop())
            except RuntimeError:
                found.append(None)

        async def test(self) -> None:
            found.append(asyncio.get_running_loop())

    with ctxpolicy.install(resolver_case.make(), missing="error"):
        assert run(Case).wasSuccessful()
    # From 3.11 on unittest copies the contextvars context of the test before it makes the loop, and binds the loop
    # outside that copy.
    unseen = resolver_case.name.startswith("contextvar") and sys.version_info >= (3, 11)
    assert found[0] is (None if unseen else found[1])
