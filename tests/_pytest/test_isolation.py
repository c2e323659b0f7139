"""Each test starts in the same clean state, whatever earlier tests have done."""

from __future__ import annotations

import pytest

from tests._pytest.conftest import Inner

# Each test checks the clean state at its start, and leaves behind as much as it can.
MESS = """
    import asyncio, contextlib, threading
    import pytest
    from ctxpolicy._asyncio.host import host
    from ctxpolicy._asyncio.running import restore_running_loop, running_loop

    policies = set()

    @pytest.mark.parametrize("turn", range(3))
    def test_mess(turn):
        assert running_loop() is None
        policy = host.in_force()
        policies.add(id(policy))
        assert len(policies) == 1, "another policy"
        assert policy.resolver.get() is None
        with pytest.raises(RuntimeError):
            asyncio.get_event_loop()
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.create_task(asyncio.sleep(60))
        loop.run_until_complete(asyncio.sleep(0))
        restore_running_loop((loop, None))
        host.force(None)
"""


@pytest.mark.parametrize("resolver", ["contextvar", "thread", "task", "process"])
def test_the_settings_and_leaks_of_a_test_do_not_reach_the_next_test(inner: Inner, resolver: str) -> None:
    ini = f"""
        ctxpolicy = {resolver}
        ctxpolicy_missing = error
        ctxpolicy_leaks = ignore
    """
    inner(MESS, "-W", "error", ini=ini).assert_outcomes(passed=3)


def test_the_command_line_can_request_isolation_and_overrides_the_ini_file(inner: Inner) -> None:
    source = """
        def test_it(ctxpolicy_resolver, ctxpolicy_policy):
            assert type(ctxpolicy_resolver).__name__ == "TaskResolver"
            assert ctxpolicy_policy.resolver is ctxpolicy_resolver
    """
    inner(source, "--ctxpolicy=task", ini="ctxpolicy = thread").assert_outcomes(passed=1)


def test_the_previous_policy_is_in_force_again_after_the_session(inner: Inner) -> None:
    conftest = """
        import asyncio
        import pytest
        from ctxpolicy import ContextPolicy
        from ctxpolicy._asyncio.host import host
        from ctxpolicy._asyncio.running import restore_running_loop, running_loop

        init = asyncio.BaseEventLoop.__init__
        policy = ContextPolicy("thread")

        @pytest.hookimpl(tryfirst=True)
        def pytest_configure(config):
            host.force(policy)
            config.add_cleanup(check)  # cleanups run in reverse order: this one runs last

        def check():
            found = host.in_force() is policy and asyncio.BaseEventLoop.__init__ is init
            host.force(None)
            print("restored:", found)
    """
    source = """
        from ctxpolicy._asyncio.host import host
        from ctxpolicy._asyncio.running import restore_running_loop, running_loop
        import pytest

        @pytest.fixture(scope="session", autouse=True)
        def stays():
            host.force(None)

        def test_it(ctxpolicy_policy):
            assert host.in_force() is ctxpolicy_policy

        def test_again(ctxpolicy_policy):
            assert host.in_force() is ctxpolicy_policy
    """
    result = inner(source, "-s", ini="ctxpolicy = contextvar", conftest=conftest)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*restored: True*"])


def test_a_marker_isolates_one_test_and_the_closest_one_wins(inner: Inner) -> None:
    source = """
        import asyncio
        import pytest
        from ctxpolicy import ContextResolver, ThreadResolver
        from ctxpolicy._asyncio.host import host
        from ctxpolicy._asyncio.running import restore_running_loop, running_loop

        own = ThreadResolver()

        def kind():
            return type(getattr(host.in_force(), "resolver", None)).__name__

        @pytest.mark.ctxpolicy(resolver="task", missing="create")
        class TestMarked:
            def test_by_the_class(self):
                assert kind() == "TaskResolver"
                assert asyncio.get_event_loop() is asyncio.get_event_loop()

            @pytest.mark.ctxpolicy(resolver=own)
            def test_by_itself(self, ctxpolicy_resolver, ctxpolicy_policy):
                assert ctxpolicy_resolver is own
                assert ctxpolicy_policy.missing == "create"

        @pytest.mark.ctxpolicy
        def test_without_options():
            assert kind() == "ContextVarResolver"

        def test_unmarked():
            assert kind() == "NoneType"

        def test_fixture_asked_for_late(request):
            assert kind() == "NoneType"
            policy = request.getfixturevalue("ctxpolicy_policy")
            assert host.in_force() is policy
            asyncio.set_event_loop(asyncio.new_event_loop())

        def test_unmarked_again():
            assert kind() == "NoneType"
    """
    result = inner(source)
    result.assert_outcomes(passed=6, warnings=1)
    result.stdout.fnmatch_lines(["*test_it.py:*CtxPolicyLeakWarning: *made at *test_it.py:* was left open*"])


def test_a_marker_overrides_the_settings_of_the_session(inner: Inner) -> None:
    source = """
        import pytest

        def test_session(ctxpolicy_policy):
            assert type(ctxpolicy_policy.resolver).__name__ == "ThreadResolver"
            assert ctxpolicy_policy.missing == "create"

        @pytest.mark.ctxpolicy(resolver="task")
        def test_marked(ctxpolicy_policy):
            assert type(ctxpolicy_policy.resolver).__name__ == "TaskResolver"
            assert ctxpolicy_policy.missing == "create"

        @pytest.mark.ctxpolicy(missing="error")
        def test_same_resolver(ctxpolicy_policy):
            assert type(ctxpolicy_policy.resolver).__name__ == "ThreadResolver"
            assert ctxpolicy_policy.missing == "error"

        test_session_again = test_session
    """
    ini = """
        ctxpolicy = thread
        ctxpolicy_missing = create
    """
    inner(source, "-W", "error", ini=ini).assert_outcomes(passed=4)


def test_the_loop_fixture_is_bound_and_shut_down_after_the_test(inner: Inner) -> None:
    source = """
        import asyncio

        loops = []

        def test_it(ctxpolicy_loop):
            assert asyncio.get_event_loop() is ctxpolicy_loop
            loops.append((ctxpolicy_loop, ctxpolicy_loop.create_task(asyncio.sleep(60))))

        def test_after():
            (loop, task), = loops
            assert loop.is_closed() and task.cancelled()
    """
    inner(source, "-W", "error").assert_outcomes(passed=2)


@pytest.mark.parametrize("where", ["marker", "ini"])
def test_a_test_runs_with_each_of_several_loop_factories(inner: Inner, where: str) -> None:
    source = """
        import asyncio
        import pytest

        class Loop(asyncio.SelectorEventLoop):
            pass

        def make():
            return Loop()

        MARK
        def test_kinds(ctxpolicy_loop, ctxpolicy_loop_factory, request):
            loop = ctxpolicy_loop_factory()
            assert type(loop) is type(ctxpolicy_loop)
            loop.close()
            assert ("make" in request.node.name) == isinstance(ctxpolicy_loop, Loop)

        @pytest.mark.ctxpolicy(loop_factory=make)
        def test_one(ctxpolicy_loop):
            assert isinstance(ctxpolicy_loop, Loop)
            loop = asyncio.new_event_loop()
            assert isinstance(loop, Loop)
            loop.close()

        @pytest.mark.ctxpolicy(loop_factory=["selector", make])
        def test_without_the_fixtures(request):
            loop = asyncio.new_event_loop()
            assert ("make" in request.node.name) == isinstance(loop, Loop)
            loop.close()

        def test_that_uses_no_loop():
            pass
    """
    mark = '@pytest.mark.ctxpolicy(loop_factory=["selector", make])' if where == "marker" else ""
    ini = "ctxpolicy_loop_factories = selector asyncio" if where == "ini" else ""
    result = inner(source.replace("MARK", mark), "-W", "error", "-v", ini=ini)
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines_random(
        ["*test_kinds[[]selector[]]*", "*test_kinds[[]*]*", "*without_the_fixtures[[]make[]]*"]
    )


def test_the_policy_of_a_test_whose_setup_fails_does_not_stay_in_force(inner: Inner) -> None:
    source = """
        import pytest
        from ctxpolicy._asyncio.host import host
        from ctxpolicy._asyncio.running import restore_running_loop, running_loop

        @pytest.fixture
        def broken():
            raise RuntimeError

        @pytest.mark.ctxpolicy
        def test_broken(broken):
            pass

        @pytest.mark.ctxpolicy
        def test_refused():
            pass

        def test_after():
            assert not hasattr(host.in_force(), "resolver")
    """
    conftest = """
        def pytest_runtest_setup(item):
            assert item.name != "test_refused"
    """
    inner(source, conftest=conftest).assert_outcomes(passed=1, errors=2)
