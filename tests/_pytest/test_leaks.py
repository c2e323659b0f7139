"""The leaks of a test are found and named, and do not reach the next test."""

from __future__ import annotations

import asyncio

import pytest

from ctxpolicy import Lease
from ctxpolicy._pytest import leaks
from tests._pytest.conftest import Inner

# One test for each kind of leak, and at the end tests that see none of them.
LEAKS = """
    import asyncio, concurrent.futures, sys, threading
    import pytest
    from ctxpolicy import isolate
    from ctxpolicy._asyncio.host import host
    from ctxpolicy._asyncio.running import restore_running_loop, unset_running_loop

    stop = threading.Event()

    def test_loop_of_the_policy():
        asyncio.set_event_loop(asyncio.new_event_loop())

    def test_loop_of_no_policy():
        test_loop_of_no_policy.loop = asyncio.SelectorEventLoop()

    def test_task():
        loop = test_task.loop = asyncio.new_event_loop()
        test_task.task = loop.create_task(asyncio.sleep(60), name="forgotten")
        loop.run_until_complete(asyncio.sleep(0))

    def test_task_of_a_closed_loop():
        loop = asyncio.new_event_loop()
        test_task_of_a_closed_loop.task = loop.create_task(asyncio.sleep(60), name="lost")
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    def test_executor():
        loop = test_executor.loop = asyncio.new_event_loop()
        loop.run_until_complete(loop.run_in_executor(None, int))

    def test_policy():
        host.force(None)

    def test_marker():
        loop = asyncio.new_event_loop()
        loop.close()
        restore_running_loop((loop, None))

    def test_thread():
        threading.Thread(target=stop.wait, name="waiting").start()

    def test_running_loop():
        loop = asyncio.new_event_loop()
        thread = test_running_loop.thread = threading.Thread(target=loop.run_forever, name="loop")
        test_running_loop.loop = loop
        thread.start()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()

    def test_nothing():
        stop.set()
        loop = test_running_loop.loop
        loop.call_soon_threadsafe(loop.stop)
        test_running_loop.thread.join()
        loop.close()
        assert test_task.task.cancelled()
        assert test_loop_of_no_policy.loop.is_closed() and test_task.loop.is_closed() and test_executor.loop.is_closed()

    def test_what_ends_by_itself_or_stays_by_design():
        threading.Thread(target=int).start()
        assert asyncio.run(asyncio.wait_for(isolate(asyncio.sleep, 0, 5), 60)) == 5

    @pytest.mark.ctxpolicy(missing="create")
    def test_leased():
        asyncio.get_event_loop()
"""
FOUND = {
    "loop_of_the_policy": ["*made at *test_it.py:*, was left open*"],
    "loop_of_no_policy": ["*made at *test_it.py:*, was left open*"],
    "task": ["*forgotten*was never awaited to its end*", "*was left open*"],
    "task_of_a_closed_loop": ["*lost*was never awaited to its end*"],
    "executor": ["*default executor*was not shut down*", "*was left open*"],
    "policy": ["*policy was replaced by None*"],
    "marker": ["*still set as the running loop of this thread*"],
    "thread": ["*waiting*was left running*join it*"],
    "running_loop": ["*was left running, in another thread or greenlet*", "*Thread(loop*was left running*join it*"],
}


def test_each_kind_of_leak_is_an_error_of_its_test_and_is_cleaned_up(inner: Inner) -> None:
    result = inner(LEAKS, "--ctxpolicy-leaks=error", ini="ctxpolicy = contextvar\nctxpolicy_missing = error")
    result.assert_outcomes(passed=12, errors=len(FOUND))
    for name, lines in FOUND.items():
        result.stdout.fnmatch_lines([f"test_it.py::test_{name} left behind:", *lines])


def test_each_kind_of_leak_is_a_warning_by_default(inner: Inner) -> None:
    result = inner(LEAKS, ini="ctxpolicy = contextvar\nctxpolicy_missing = error")
    result.assert_outcomes(passed=12, warnings=sum(map(len, FOUND.values())))
    result.stdout.fnmatch_lines([f"*CtxPolicyLeakWarning: {line}" for lines in FOUND.values() for line in lines])


def test_each_kind_of_leak_is_cleaned_up_silently_if_leaks_are_ignored(inner: Inner) -> None:
    ini = "ctxpolicy = contextvar\nctxpolicy_missing = error\nctxpolicy_leaks = ignore"
    inner(LEAKS, ini=ini).assert_outcomes(passed=12)


FIXTURES = """
    import asyncio, concurrent.futures, threading
    import pytest
    from ctxpolicy._asyncio.host import host
    from ctxpolicy._asyncio.running import restore_running_loop, unset_running_loop

    def work(loop, ready):
        mine = asyncio.new_event_loop()  # belongs to the thread
        loop.call_soon(ready.set)
        loop.run_forever()
        mine.close()

    @pytest.fixture(scope="session")
    def served():
        ready, loop = threading.Event(), asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        thread = threading.Thread(target=work, args=(loop, ready))
        thread.start()
        ready.wait()
        yield loop
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    @pytest.fixture(scope="module")
    def kept():
        loop = asyncio.get_event_loop()  # leased
        yield loop
        assert not loop.is_closed()

    @pytest.fixture(scope="module")
    def executor():
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            yield executor

    @pytest.fixture(scope="module")
    def nested(request):
        return request.getfixturevalue("kept")

    @pytest.fixture
    def passing():
        loop = asyncio.new_event_loop()
        yield loop
        loop.close()

    @pytest.mark.parametrize("turn", range(2))
    def test_they_stay(served, nested, kept, executor, passing, turn, ctxpolicy_resolver):
        assert nested is kept
        assert ctxpolicy_resolver.get() is None
        assert served.is_running()
        assert asyncio.run_coroutine_threadsafe(asyncio.sleep(0, 5), served).result() == 5
        assert kept.run_until_complete(kept.run_in_executor(None, int)) == 0
        assert executor.submit(int).result() == 0

    def test_made_in_the_midst_of_a_test(request):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        request.getfixturevalue("late")
        assert asyncio.get_event_loop() is loop
        asyncio.set_event_loop(None)
        loop.close()

    @pytest.fixture(scope="module")
    def late():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        yield
        loop.close()

    def test_they_stay_without_being_asked_for(kept):
        assert not kept.is_closed()

    @pytest.mark.parametrize("number", [1, 2], scope="module")
    def test_of_a_fixture_that_ends_between_tests(by_number, number, ctxpolicy_policy):
        assert host.in_force() is ctxpolicy_policy

    @pytest.fixture(scope="module")
    def by_number(number):
        previous = host.in_force()
        host.force(None)
        yield
        host.force(previous)
"""


@pytest.mark.parametrize("resolver", ["contextvar", "tests.support.plain:Plain"])
def test_resources_of_fixtures_of_a_wider_scope_stay_and_are_no_leaks(inner: Inner, resolver: str) -> None:
    ini = f"ctxpolicy = {resolver}\nctxpolicy_missing = create\nctxpolicy_leaks = error"
    inner(FIXTURES, "-W", "error", ini=ini).assert_outcomes(passed=6)


POOLS = """
    import concurrent.futures
    import pytest

    made = concurrent.futures.ThreadPoolExecutor(1)

    class Service:
        def __init__(self):
            self.parts = {"pool": concurrent.futures.ThreadPoolExecutor(1)}

    @pytest.fixture(scope="module")
    def pair():
        with concurrent.futures.ThreadPoolExecutor(1) as one, concurrent.futures.ThreadPoolExecutor(1) as two:
            yield one, two

    @pytest.fixture(scope="module")
    def service():
        service = Service()
        yield service
        service.parts["pool"].shutdown()

    @pytest.fixture(scope="module")
    def of_the_module():
        with made:
            yield made

    def test_it(pair, service, of_the_module):
        for pool in (*pair, service.parts["pool"], of_the_module):
            assert pool.submit(int).result() == 0
"""


def test_the_threads_of_a_fixtures_thread_pool_are_no_leaks_wherever_the_pool_is_stored(inner: Inner) -> None:
    inner(POOLS, "-W", "error", ini="ctxpolicy = contextvar\nctxpolicy_leaks = error").assert_outcomes(passed=1)


def test_a_thread_that_ends_while_it_is_waited_for_is_no_leak(inner: Inner) -> None:
    source = """
        import threading

        class Ending(threading.Thread):
            def join(self, timeout=None):
                stop.set()
                super().join()

        stop = threading.Event()

        def test_it():
            Ending(target=stop.wait).start()
    """
    inner(source, ini="ctxpolicy = contextvar\nctxpolicy_leaks = error").assert_outcomes(passed=1)


def test_unreferenced_leases_end_at_once_even_without_reference_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "refcount", None)
    cycle: list[object] = []
    lease = Lease("a cycle of the test's")
    loop = lease.open(asyncio.SelectorEventLoop)
    cycle += [cycle, lease]
    del cycle, lease
    assert not loop.is_closed()
    leaks._collect_leases()
    assert loop.is_closed()


def test_a_filter_can_turn_a_leak_warning_into_an_error(inner: Inner) -> None:
    source = """
        from ctxpolicy._asyncio.host import host
        from ctxpolicy._asyncio.running import restore_running_loop, unset_running_loop

        def test_it(ctxpolicy_policy):
            host.force(None)
    """
    inner(source, "-W", "error::ctxpolicy.pytest_plugin.CtxPolicyLeakWarning").assert_outcomes(passed=1, errors=1)


def test_a_running_loop_set_by_a_fixture_is_unset_in_tests_and_restored_for_its_teardown(inner: Inner) -> None:
    source = """
        import asyncio
        import pytest
        from ctxpolicy._asyncio.host import host
        from ctxpolicy._asyncio.running import restore_running_loop, unset_running_loop

        @pytest.fixture(scope="session", autouse=True)
        def marks():
            loop = asyncio.new_event_loop()
            restore_running_loop((loop, None))
            yield
            assert unset_running_loop() == (loop, None)
            loop.close()

        @pytest.mark.parametrize("turn", range(2))
        def test_it(turn):
            assert asyncio.run(asyncio.sleep(0, 5)) == 5
    """
    result = inner(source, "-W", "error", ini="ctxpolicy = contextvar\nctxpolicy_leaks = error")
    result.assert_outcomes(passed=2)


FACADE = """
    import asyncio
    import pytest

    greenlet = pytest.importorskip("greenlet")

    class Facade:
        def __init__(self):
            self.loop = asyncio.new_event_loop()
            self.fiber = greenlet.greenlet(lambda: self.loop.run_until_complete(self.serve()))
            self.fiber.switch()

        async def serve(self):
            request = self.main().switch()
            while request is not None:
                assert asyncio.get_running_loop() is self.loop
                await asyncio.sleep(0)
                request = self.main().switch(2 * request)

        def main(self):
            return self.fiber.parent

        def double(self, number):
            return self.fiber.switch(number)

        def close(self):
            self.fiber.switch(None)
            self.loop.close()

    @pytest.fixture(scope="session")
    def facade():
        facade = Facade()
        yield facade
        facade.close()

    @pytest.mark.parametrize("turn", range(2))
    def test_both(facade, turn):
        assert facade.double(1) == 2
        assert asyncio.run(asyncio.sleep(0, 5)) == 5
        assert facade.double(3) == 6

    @pytest.mark.xfail(reason="is to be reported")
    def test_of_its_own():
        test_of_its_own.facade = Facade()

    def test_without():
        assert asyncio.run(asyncio.sleep(0, 5)) == 5
        test_of_its_own.facade.close()
"""


def test_tests_can_run_loops_despite_a_sync_facade_over_a_loop_in_a_greenlet(inner: Inner) -> None:
    pytest.importorskip("greenlet", reason="needs the package greenlet, which is not installed")
    result = inner(FACADE, ini="ctxpolicy = contextvar")
    result.assert_outcomes(passed=3, xpassed=1, warnings=2)
    result.stdout.fnmatch_lines(["*was never awaited to its end*", "*was left running, in another thread or greenlet*"])


def test_a_sync_facade_that_a_test_leaves_open_is_reported_and_can_still_be_closed(inner: Inner) -> None:
    pytest.importorskip("greenlet", reason="needs the package greenlet, which is not installed")
    result = inner(FACADE, "-k", "own or without", ini="ctxpolicy = contextvar")
    result.assert_outcomes(passed=1, xpassed=1, warnings=3, deselected=2)
    result.stdout.fnmatch_lines(
        ["*still set as the running loop*", "*was left running, in another thread or greenlet*"]
    )


THREADS = """
    import asyncio, concurrent.futures, threading
    import pytest

    @pytest.fixture(scope="module")
    def executor():
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            yield executor

    @pytest.fixture(scope="module")
    def server():
        started, stop, asked = threading.Event(), threading.Event(), []

        async def use_default_executor():
            await asyncio.to_thread(int)

        def work():
            started.set()
            while not stop.is_set():
                turn.wait(60)
                turn.clear()
                if not asked:
                    asked.append(asyncio.new_event_loop())
                asked[0].run_until_complete(use_default_executor())
                done.set()
            asked[0].run_until_complete(asked[0].shutdown_default_executor())
            asked[0].close()

        turn, done = threading.Event(), threading.Event()
        thread = threading.Thread(target=work)
        thread.start()

        def use():
            turn.set()
            assert done.wait(60)
            done.clear()

        yield use
        stop.set()
        use()
        thread.join()

    def legacy():
        loop = asyncio.get_event_loop()
        return loop.run_until_complete(asyncio.sleep(0, loop))

    seen = set()

    @pytest.mark.parametrize("turn", range(3))
    def test_leased_in_a_fixture_s_executor(executor, turn):
        seen.add(executor.submit(legacy).result())
        assert len(seen) == 1

    @pytest.mark.parametrize("turn", range(2))
    def test_made_later_by_a_fixture_s_thread(server, turn):
        server()
"""


@pytest.mark.parametrize("factory", ["asyncio", "uvloop"])
def test_a_loop_that_a_fixtures_thread_or_executor_made_during_a_test_stays_and_is_no_leak(
    inner: Inner, factory: str
) -> None:
    if factory == "uvloop":
        pytest.importorskip("uvloop", reason="needs the package uvloop, which is not installed")
    ini = f"""
        ctxpolicy = contextvar
        ctxpolicy_missing = create
        ctxpolicy_leaks = error
        ctxpolicy_loop_factories = {factory}
    """
    inner(THREADS, "-W", "error", ini=ini).assert_outcomes(passed=5)


def test_a_loop_is_not_shut_down_while_a_leaked_thread_may_use_it(inner: Inner) -> None:
    source = """
        import asyncio, concurrent.futures

        def test_left():
            test_left.executor = concurrent.futures.ThreadPoolExecutor(1)
            test_left.loop = test_left.executor.submit(asyncio.new_event_loop).result()

        def test_after():
            assert not test_left.loop.is_closed()
            test_left.executor.shutdown()
            test_left.loop.close()
    """
    result = inner(source, ini="ctxpolicy = contextvar\nctxpolicy_leaks = error")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*made at *, was left open in *Thread*close it there*", "*Thread*was left running*"])
