"""pytest-asyncio, anyio's plugin and unittest work as they do without our plugin, and their tests are isolated."""

from __future__ import annotations

import pytest

from tests._pytest.conftest import PYTEST_ASYNCIO, Inner

ISOLATED = "ctxpolicy = contextvar\nctxpolicy_leaks = error\nctxpolicy_missing = error\n"


@pytest.fixture
def needs_pytest_asyncio() -> None:
    """Skip a test if pytest-asyncio is not installed."""
    pytest.importorskip("pytest_asyncio", reason="needs the package pytest-asyncio, which is not installed")


@pytest.mark.usefixtures("needs_pytest_asyncio")
def test_tests_and_fixtures_of_pytest_asyncio_work_in_every_scope_and_are_no_leaks(inner: Inner) -> None:
    source = """
        import asyncio
        import pytest
        import pytest_asyncio
        from ctxpolicy._asyncio.host import host

        def unbound(resolver):
            return resolver.get() is None

        @pytest_asyncio.fixture(loop_scope="session", scope="session")
        async def served():
            loop = asyncio.get_running_loop()
            loop.keep = loop.create_task(asyncio.sleep(60))
            yield loop
            loop.keep.cancel()

        @pytest_asyncio.fixture
        async def own():
            yield asyncio.get_running_loop()

        async def test_of_its_own(own, ctxpolicy_policy):
            assert asyncio.get_running_loop() is own
            assert host.in_force() is ctxpolicy_policy
            await asyncio.to_thread(int)

        def test_sync_after_it(ctxpolicy_resolver):
            assert unbound(ctxpolicy_resolver)

        @pytest.mark.asyncio(loop_scope="session")
        async def test_of_the_session(served):
            assert asyncio.get_running_loop() is served
            await asyncio.to_thread(int)

        def test_sync_after_the_session_s(ctxpolicy_resolver, served):
            assert unbound(ctxpolicy_resolver)
            assert not served.is_closed() and not served.keep.done()

        @pytest.mark.asyncio(loop_scope="session")
        async def test_of_the_session_again(served):
            assert asyncio.get_running_loop() is served

        @pytest.mark.ctxpolicy(resolver="task")
        @pytest.mark.asyncio
        async def test_marked(ctxpolicy_resolver, ctxpolicy_policy):
            assert type(ctxpolicy_resolver).__name__ == "TaskResolver"
            assert host.in_force() is ctxpolicy_policy

        @pytest.mark.ctxpolicy(resolver="task")
        @pytest.mark.asyncio(loop_scope="module")
        async def test_marked_of_the_module(ctxpolicy_policy):
            assert host.in_force() is ctxpolicy_policy

        def test_sync_at_last(ctxpolicy_resolver):
            assert unbound(ctxpolicy_resolver)
    """
    result = inner(source, "-W", "error", ini=ISOLATED + "asyncio_mode = auto", plugins=(PYTEST_ASYNCIO,))
    result.assert_outcomes(passed=8)


@pytest.mark.usefixtures("needs_pytest_asyncio")
def test_one_marked_test_of_pytest_asyncio_is_isolated_and_the_others_are_not(inner: Inner) -> None:
    source = """
        import asyncio
        import pytest
        from ctxpolicy._asyncio.host import host

        async def test_before():
            assert not hasattr(host.in_force(), "resolver")

        @pytest.mark.asyncio(loop_scope="module")
        @pytest.mark.ctxpolicy(leaks="error")
        async def test_marked(ctxpolicy_policy):
            assert host.in_force() is ctxpolicy_policy

        @pytest.mark.asyncio(loop_scope="module")
        async def test_after():
            assert not hasattr(host.in_force(), "resolver")
    """
    result = inner(source, "-W", "error", ini="asyncio_mode = auto", plugins=(PYTEST_ASYNCIO,))
    result.assert_outcomes(passed=3)


LOOPS = """
    import asyncio
    import pytest

    class Loop(asyncio.SelectorEventLoop):
        pass

    def make():
        return Loop()

    async def test_session(request):
        assert not isinstance(asyncio.get_running_loop(), Loop)

    @pytest.mark.ctxpolicy(loop_factory=make)
    async def test_marked():
        assert isinstance(asyncio.get_running_loop(), Loop)

    @pytest.mark.ctxpolicy(loop_factory=["selector", make])
    async def test_several(request):
        assert ("make" in request.node.name) == isinstance(asyncio.get_running_loop(), Loop)

    @pytest.mark.ctxpolicy(loop_factory=["selector", make])
    @pytest.mark.asyncio(loop_factories=["make"])
    async def test_one_of_several(request):
        assert isinstance(asyncio.get_running_loop(), Loop)
"""


@pytest.mark.usefixtures("needs_pytest_asyncio")
@pytest.mark.parametrize("factories", ["", "ctxpolicy_loop_factories = selector asyncio\n"])
def test_pytest_asyncio_makes_its_loops_with_our_factories_if_the_option_is_set(inner: Inner, factories: str) -> None:
    ini = ISOLATED + factories + "ctxpolicy_pytest_asyncio = true\nasyncio_mode = auto"
    result = inner(LOOPS, "-W", "error", ini=ini, plugins=(PYTEST_ASYNCIO,))
    result.assert_outcomes(passed=6 if factories else 5)


@pytest.mark.usefixtures("needs_pytest_asyncio")
def test_a_marker_whose_loop_factory_does_not_reach_pytest_asyncio_is_reported_once(inner: Inner) -> None:
    source = """
        import asyncio
        import pytest

        @pytest.mark.parametrize("turn", range(2))
        @pytest.mark.ctxpolicy(loop_factory="selector")
        async def test_marked(turn):
            pass
    """
    result = inner(source, ini="asyncio_mode = auto", plugins=(PYTEST_ASYNCIO,))
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(
        ["*CtxPolicyLeakWarning: *does not reach pytest-asyncio*ctxpolicy_pytest_asyncio = true*"]
    )


@pytest.mark.usefixtures("needs_pytest_asyncio")
def test_another_hook_for_loop_factories_causes_one_warning_with_the_fix(inner: Inner) -> None:
    conftest = """
        import asyncio

        def pytest_asyncio_loop_factories(config, item):
            return {"theirs": asyncio.SelectorEventLoop}
    """
    source = """
        import pytest

        @pytest.mark.parametrize("turn", range(2))
        async def test_it(turn):
            pass

        def test_sync():
            pass
    """
    ini = "ctxpolicy_pytest_asyncio = true\nasyncio_mode = auto"
    result = inner(source, ini=ini, plugins=(PYTEST_ASYNCIO,), conftest=conftest)
    result.assert_outcomes(passed=3, warnings=1)
    result.stdout.fnmatch_lines(
        ["*pytest_asyncio_loop_factories is implemented by *conftest.py too*: remove that one, and name*"]
    )


def test_the_option_for_pytest_asyncio_without_pytest_asyncio_is_an_error(inner: Inner) -> None:
    result = inner("", ini="ctxpolicy_pytest_asyncio = true")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*ctxpolicy_pytest_asyncio is set*not installed or not active*remove the option*"])


@pytest.mark.usefixtures("needs_pytest_asyncio")
@pytest.mark.filterwarnings("default")
def test_an_overridden_policy_fixture_of_pytest_asyncio_causes_one_warning_with_the_fix(inner: Inner) -> None:
    source = """
        import asyncio
        import pytest
        from ctxpolicy import ContextPolicy
        from ctxpolicy._asyncio.host import host

        @pytest.fixture(scope="session")
        def event_loop_policy():
            return ContextPolicy("thread", loop_factory="selector")

        @pytest.mark.parametrize("turn", range(2))
        async def test_it(turn, ctxpolicy_policy, event_loop_policy):
            assert host.in_force() is ctxpolicy_policy is not event_loop_policy
    """
    result = inner(
        source, "-W", "ignore:Overriding", ini="ctxpolicy = contextvar\nasyncio_mode = auto", plugins=(PYTEST_ASYNCIO,)
    )
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(
        ["*CtxPolicyLeakWarning: the fixture event_loop_policy is overridden*Remove the fixture*"]
    )


def test_tests_fixtures_and_loop_factories_of_anyio_work_and_are_no_leaks(inner: Inner) -> None:
    pytest.importorskip("anyio", reason="needs the package anyio, which is not installed")
    source = """
        import asyncio
        import anyio
        import pytest
        from ctxpolicy._asyncio.host import host

        class Loop(asyncio.SelectorEventLoop):
            pass

        pytestmark = pytest.mark.anyio

        @pytest.fixture(scope="module", params=[{}, {"loop_factory": Loop}], ids=["plain", "Loop"])
        def anyio_backend(request):
            return "asyncio", request.param

        @pytest.fixture(scope="module")
        async def served(anyio_backend):
            yield asyncio.get_running_loop()

        async def test_it(served, request, ctxpolicy_policy):
            assert asyncio.get_running_loop() is served
            assert isinstance(served, Loop) == ("Loop" in request.node.name)
            assert host.in_force() is ctxpolicy_policy
            await anyio.to_thread.run_sync(int)

        async def test_again(served):
            assert asyncio.get_running_loop() is served
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, 0)

        def test_sync(served, ctxpolicy_resolver):
            assert ctxpolicy_resolver.get() is None
            assert not served.is_closed()
    """
    inner(source, "-W", "error", ini=ISOLATED, plugins=("anyio",)).assert_outcomes(passed=6)


@pytest.mark.usefixtures("needs_pytest_asyncio")
def test_our_fixtures_and_marker_work_with_both_plugins_active(inner: Inner) -> None:
    pytest.importorskip("anyio", reason="needs the package anyio, which is not installed")
    source = """
        import asyncio
        import pytest

        def test_ours(ctxpolicy_loop):
            assert ctxpolicy_loop.run_until_complete(asyncio.sleep(0, 5)) == 5

        @pytest.mark.asyncio
        async def test_pytest_asyncios():
            await asyncio.sleep(0)

        @pytest.mark.anyio
        async def test_anyios(anyio_backend):
            await asyncio.sleep(0)

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
    """
    inner(source, "-W", "error", ini=ISOLATED, plugins=(PYTEST_ASYNCIO, "anyio")).assert_outcomes(passed=3)


def test_async_test_cases_of_unittest_work_and_are_isolated(inner: Inner) -> None:
    source = """
        import asyncio, unittest
        from ctxpolicy._asyncio.host import host

        class Case(unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self):
                self.loop = asyncio.get_running_loop()

            async def test_it(self):
                assert asyncio.get_running_loop() is self.loop
                assert type(host.in_force()).__name__ == "ContextPolicy"
                await asyncio.to_thread(int)

            async def test_leaks(self):
                self.loop.left = asyncio.new_event_loop()

        def test_sync():
            assert host.in_force().resolver.get() is None
    """
    result = inner(source, "-W", "error::DeprecationWarning", ini=ISOLATED)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*::test_leaks left behind:", "*made at *test_it.py:*was left open*"])
