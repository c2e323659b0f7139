"""Leftover work in a loop is reported and the loop is closed, even if some of the work does not end."""

from __future__ import annotations

from tests._pytest.conftest import Inner

STUBBORN = """
    import asyncio, sys, threading
    from ctxpolicy._pytest import leaks

    leaks._SHUTDOWN_TIMEOUT = 0.1
    gate = threading.Event()

    def test_task():
        loop = test_task.loop = asyncio.new_event_loop()

        async def stubborn():
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    pass

        test_task.task = loop.create_task(stubborn(), name="stubborn")
        loop.run_until_complete(asyncio.sleep(0))

    def test_generator():
        loop = test_generator.loop = asyncio.new_event_loop()

        async def generate():
            try:
                yield
            finally:
                await asyncio.sleep(3600)

        async def start():
            test_generator.left = generate()
            await anext(test_generator.left)

        loop.run_until_complete(start())

    def test_executor():
        loop = test_executor.loop = asyncio.new_event_loop()
        loop.run_in_executor(None, gate.wait)

    def test_after():
        assert all(test.loop.is_closed() for test in (test_task, test_generator, test_executor))
        gate.set()
"""


def test_work_that_ignores_its_cancellation_is_given_up_in_time_and_reported(inner: Inner) -> None:
    result = inner(STUBBORN, ini="ctxpolicy = contextvar\nctxpolicy_leaks = error")
    result.assert_outcomes(passed=4, errors=3)
    given_up = "*was closed with something in it that had not ended 0.1 seconds after it was cancelled"
    for name, lines in {
        "task": ["*stubborn*was never awaited to its end", "*was left open*", given_up],
        "generator": ["*was left open*", given_up],
        "executor": ["*default executor*was not shut down*", "*was left open*", "*Thread*was left running*"],
    }.items():
        result.stdout.fnmatch_lines([f"test_it.py::test_{name} left behind:", *lines])
    assert "destroyed" not in result.stdout.str() + result.stderr.str()


def test_a_loop_that_is_left_inside_a_task_is_reported_and_other_loops_can_run(inner: Inner) -> None:
    source = """
        import asyncio


        def test_left():
            loop = test_left.loop = asyncio.new_event_loop()
            task = loop.create_task(asyncio.sleep(0), name="entered")
            asyncio._set_running_loop(loop)
            asyncio.tasks._enter_task(loop, task)
            asyncio._set_running_loop(None)

        def test_after():
            assert test_left.loop.is_closed()
            assert asyncio.run(asyncio.sleep(0, 5)) == 5
    """
    result = inner(source, ini="ctxpolicy = contextvar\nctxpolicy_leaks = error")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["*entered*was left as the current task of*", "*entered*never awaited*", "*was left open: *"]
    )
    assert "had not ended" not in result.stdout.str()
