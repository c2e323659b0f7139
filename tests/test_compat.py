"""asyncio's policy API, restored on a Python whose asyncio has no policies."""

import asyncio
import sys
import textwrap
from asyncio import events

import pytest

import ctxpolicy
from ctxpolicy import InstallationError, compat
from ctxpolicy.compat import restore_policies
from tests.emulated_316 import environment as emulated_environment
from tests.emulated_316 import is_active
from tests.support.programs import environment, run_program

NAMES = ("AbstractEventLoopPolicy", "DefaultEventLoopPolicy", "get_event_loop_policy", "set_event_loop_policy")

without_policies = pytest.mark.skipif(
    not is_active() and sys.version_info[:2] not in ((3, 14), (3, 15)),
    reason="asyncio without policies can be emulated on Python 3.14 and 3.15 only",
)


def emulated(source, *args):
    return run_program(textwrap.dedent(source), *args, env=emulated_environment(environment()))


@pytest.mark.skipif(is_active(), reason="this asyncio has no policies")
def test_restoring_changes_nothing_if_asyncio_has_policies():
    before = {name: vars(asyncio).get(name) for name in NAMES}
    with restore_policies():
        assert {name: vars(asyncio).get(name) for name in NAMES} == before
    assert {name: vars(asyncio).get(name) for name in NAMES} == before


@without_policies
def test_a_policy_class_from_asyncios_documentation_works():
    program = """
        import asyncio
        from ctxpolicy.compat import restore_policies

        restore_policies()
        calls = []

        class MyEventLoopPolicy(asyncio.DefaultEventLoopPolicy):
            def get_event_loop(self):
                calls.append("get")
                return super().get_event_loop()

            def new_event_loop(self):
                calls.append("new")
                return super().new_event_loop()

        asyncio.set_event_loop_policy(MyEventLoopPolicy())
        asyncio.run(asyncio.sleep(0))
        assert calls == ["new"]
        try:
            asyncio.get_event_loop()
        except RuntimeError as error:
            print(error)
        assert calls == ["new", "get"]
        assert type(asyncio.get_event_loop_policy()) is MyEventLoopPolicy
        asyncio.set_event_loop_policy(None)
        assert type(asyncio.get_event_loop_policy()) is asyncio.DefaultEventLoopPolicy
        asyncio.run(asyncio.sleep(0))
        assert calls == ["new", "get"]
    """
    assert emulated(program) == "There is no current event loop in thread 'MainThread'."


@without_policies
def test_the_default_policy_works_as_in_3_13_and_sees_the_loop_that_is_bound_already():
    program = """
        import asyncio, warnings
        from ctxpolicy.compat import restore_policies

        bound = asyncio.new_event_loop()
        asyncio.set_event_loop(bound)
        restore_policies()
        assert asyncio.get_event_loop() is asyncio.get_event_loop_policy().get_event_loop() is bound
        bound.close()
        assert asyncio.events.BaseDefaultEventLoopPolicy in asyncio.DefaultEventLoopPolicy.__mro__
        asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            loop = asyncio.get_event_loop()
        print(caught[0].category.__name__, caught[0].filename)
        loop.close()
    """
    assert emulated(program) == "DeprecationWarning <string>"


@without_policies
def test_setting_none_creates_a_new_default_policy_without_loops_as_in_3_13():
    program = """
        import asyncio, warnings
        from ctxpolicy.compat import restore_policies

        warnings.simplefilter("ignore")
        with restore_policies():
            asyncio.set_event_loop(bound := asyncio.new_event_loop())
            asyncio.set_event_loop_policy(None)
            assert (fresh := asyncio.get_event_loop()) is not bound
            fresh.close()
            asyncio.run(asyncio.sleep(0))  # calls set_event_loop(None) at its end
            asyncio.set_event_loop_policy(None)
            asyncio.get_event_loop().close()
        assert asyncio.get_event_loop() is bound  # the binding has not changed
        bound.close()
        print("ok")
    """
    assert emulated(program) == "ok"


@without_policies
def test_the_default_policy_is_in_force_after_an_installed_policy_is_uninstalled():
    program = """
        import asyncio, ctxpolicy, warnings
        from asyncio import events
        from ctxpolicy.compat import restore_policies

        warnings.simplefilter("ignore")
        before = events._local, asyncio.new_event_loop
        with ctxpolicy.install("thread"):
            restoration = restore_policies()
        loop = asyncio.get_event_loop()
        assert asyncio.get_event_loop_policy().get_event_loop() is loop
        asyncio.set_event_loop(None)
        restoration.undo()
        assert (events._local, asyncio.new_event_loop) == before
        loop.close()
        print("ok")
    """
    assert emulated(program) == "ok"


@without_policies
def test_a_context_policy_made_before_is_an_asyncio_policy_and_the_last_policy_set_wins():
    program = """
        import asyncio, ctxpolicy
        from ctxpolicy.compat import restore_policies

        policy = ctxpolicy.ContextPolicy(missing="create")
        restore_policies()
        assert isinstance(policy, asyncio.AbstractEventLoopPolicy)
        asyncio.set_event_loop_policy(policy)
        assert asyncio.get_event_loop_policy() is policy
        loop = asyncio.get_event_loop()
        assert asyncio.get_event_loop() is loop
        asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
        with ctxpolicy.install("task") as installation:
            assert asyncio.get_event_loop_policy() is installation.policy
        loop.close()
        print("ok")
    """
    assert emulated(program) == "ok"


@without_policies
def test_undo_removes_all_restored_names():
    program = """
        import asyncio, ctxpolicy
        from asyncio import events
        from ctxpolicy.compat import restore_policies

        before = dict(vars(asyncio)), dict(vars(events))
        with restore_policies():
            exec("from asyncio import *; set_event_loop_policy(DefaultEventLoopPolicy())")
            exec("from asyncio.events import *; assert get_event_loop_policy() is not None")
            restore_policies().undo()  # the second restoration changed nothing, and undoes nothing
            assert type(asyncio.get_event_loop_policy()) is asyncio.DefaultEventLoopPolicy
        assert (dict(vars(asyncio)), dict(vars(events))) == before
        with ctxpolicy.install("task") as installation:
            with restore_policies():
                assert asyncio.get_event_loop_policy() is installation.policy
            asyncio.run(asyncio.sleep(0))
        print("ok")
    """
    assert emulated(program) == "ok"


@without_policies
def test_a_policy_that_a_library_sets_over_an_installed_one_wins_and_uninstall_reports_it():
    program = """
        import asyncio, ctxpolicy
        from ctxpolicy.compat import restore_policies

        with restore_policies():
            installation = ctxpolicy.install("task")
            asyncio.set_event_loop_policy(theirs := asyncio.DefaultEventLoopPolicy())
            try:
                installation.uninstall()
            except ctxpolicy.InstallationError as error:
                print("has replaced it, by asyncio" in str(error), asyncio.get_event_loop_policy() is theirs)
            asyncio.set_event_loop_policy(installation.policy)
            installation.uninstall()
    """
    assert emulated(program) == "True True"


@without_policies
def test_outside_using_blocks_the_default_policy_still_creates_loops_as_in_3_13():
    program = """
        import asyncio, contextvars, ctxpolicy, warnings
        from ctxpolicy.compat import restore_policies

        restore_policies()
        outside = contextvars.copy_context()
        with ctxpolicy.using("thread"), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                asyncio.get_event_loop()
            except ctxpolicy.NoCurrentLoopError:
                print("none in the block")
            loop = outside.run(asyncio.get_event_loop)
            print(*[(warning.category.__name__, warning.filename) for warning in caught])
        assert asyncio.get_event_loop() is loop
        loop.close()
    """
    assert emulated(program).splitlines() == ["none in the block", "('DeprecationWarning', '<string>')"]


@without_policies
@pytest.mark.parametrize("policy", ["asyncio.get_event_loop_policy()", "asyncio.DefaultEventLoopPolicy()"])
def test_in_a_forked_child_the_policy_in_force_has_forgotten_the_loops_of_the_parent(policy):
    program = f"""
        import asyncio, os, weakref
        from ctxpolicy.compat import restore_policies

        with restore_policies():
            asyncio.set_event_loop_policy({policy})
            asyncio.set_event_loop(asyncio.new_event_loop())
            parents = weakref.ref(asyncio.get_event_loop())
            if (child := os.fork()) == 0:
                try:
                    asyncio.get_event_loop()
                except DeprecationWarning:  # the policy would create a loop
                    asyncio.run(asyncio.sleep(0))
                    os._exit(0 if parents() and not parents().is_closed() else 7)
                os._exit(8)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            assert asyncio.get_event_loop() is parents()
            asyncio.get_event_loop().close()
    """
    assert emulated(program) == "0"


@without_policies
def test_undo_is_refused_until_a_policy_installed_since_is_uninstalled():
    program = """
        import asyncio, ctxpolicy
        from ctxpolicy.compat import restore_policies

        restoration = restore_policies()
        with ctxpolicy.install():
            try:
                restoration.undo()
            except ctxpolicy.InstallationError as error:
                assert "Uninstall that policy first" in str(error)
            assert hasattr(asyncio, "set_event_loop_policy")
        restoration.undo()
        restoration.undo()
        assert not hasattr(asyncio, "set_event_loop_policy")
        print("ok")
    """
    assert emulated(program) == "ok"


@without_policies
def test_an_object_that_is_not_a_policy_is_refused():
    program = """
        import asyncio
        from ctxpolicy.compat import restore_policies

        restore_policies()
        policy = asyncio.get_event_loop_policy()
        try:
            asyncio.set_event_loop_policy(42)
        except TypeError as error:
            print(error)
        assert asyncio.get_event_loop_policy() is policy
    """
    assert emulated(program) == "policy must be an instance of AbstractEventLoopPolicy or None, not 'int'"


@without_policies
def test_tornados_policy_works():
    pytest.importorskip("tornado", reason="tornado is not installed")
    program = """
        import asyncio, threading, warnings
        from ctxpolicy.compat import restore_policies

        warnings.simplefilter("ignore")  # tornado deprecates its policy
        restore_policies()
        from tornado.platform.asyncio import AnyThreadEventLoopPolicy

        asyncio.set_event_loop_policy(AnyThreadEventLoopPolicy())
        loops = []
        thread = threading.Thread(target=lambda: loops.append(asyncio.get_event_loop()))
        thread.start()
        thread.join()
        loops[0].close()
        print(type(loops[0]).__name__)
    """
    assert emulated(program).endswith("EventLoop")


@without_policies
def test_uvloops_policy_works():
    pytest.importorskip("uvloop", reason="uvloop is not installed")
    program = """
        import asyncio, warnings
        from ctxpolicy.compat import restore_policies

        warnings.simplefilter("ignore")
        restore_policies()
        import uvloop

        async def main():
            return type(asyncio.get_running_loop()).__module__

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        print(asyncio.run(main()))
        asyncio.set_event_loop_policy(None)
        print(asyncio.run(main()))
        uvloop.install()
        print(asyncio.run(main()))
    """
    assert emulated(program).split() == ["uvloop", "asyncio.unix_events", "uvloop"]


class TestWithoutAnEmulation:
    """The same tests on every Python: asyncio is changed to look as if it had no policies, and restored."""

    @pytest.fixture(autouse=True)
    def no_policies(self, monkeypatch):
        class Host:
            now = None
            default = None
            asyncios = compat.DefaultEventLoopPolicy()

            def in_force(self):
                return self.now

            def force(self, policy):
                self.now = self.default if policy is None else policy

            def asyncio_policy(self):
                return self.asyncios

        host = Host()
        for module in (asyncio, events):
            for name in (*NAMES, "BaseDefaultEventLoopPolicy"):
                monkeypatch.delitem(vars(module), name, raising=False)
        monkeypatch.delitem(vars(asyncio), "__getattr__", raising=False)  # this function warns on 3.14 and 3.15
        monkeypatch.setattr(compat, "host", host)
        return host

    def test_the_names_exist_until_undo(self, no_policies):
        with restore_policies() as restoration:
            assert all(hasattr(asyncio, name) and hasattr(events, name) for name in NAMES)
            default = asyncio.get_event_loop_policy()
            assert type(default) is asyncio.DefaultEventLoopPolicy
            assert default._local is no_policies.asyncio_policy()._local
            policy = asyncio.DefaultEventLoopPolicy()
            asyncio.set_event_loop_policy(policy)
            assert asyncio.get_event_loop_policy() is policy
            asyncio.set_event_loop_policy(None)
            fresh = asyncio.get_event_loop_policy()
            assert type(fresh) is asyncio.DefaultEventLoopPolicy
            assert fresh not in (default, policy)
            assert fresh._local is not default._local
            with pytest.raises(TypeError, match="policy must be an instance"):
                asyncio.set_event_loop_policy(42)
        assert not any(hasattr(asyncio, name) or hasattr(events, name) for name in NAMES)
        assert no_policies.now is None
        restoration.undo()

    def test_the_policy_in_force_stays_and_one_installed_since_must_go_first(self, no_policies, monkeypatch):
        standing = [ctxpolicy.ContextPolicy()]
        monkeypatch.setattr(compat, "installed", lambda: list(standing))
        no_policies.now = previous = standing[0]
        restoration = restore_policies()
        assert asyncio.get_event_loop_policy() is previous
        standing.append(ctxpolicy.ContextPolicy())
        with pytest.raises(InstallationError, match="Uninstall that policy first"):
            restoration.undo()
        standing.pop()
        no_policies.now = ctxpolicy.ContextPolicy()  # set by a library, not installed: it does not prevent the undo
        restoration.undo()
        assert no_policies.now is previous

    def test_a_policy_that_was_uninstalled_since_does_not_come_back(self, no_policies, monkeypatch):
        standing = [ctxpolicy.ContextPolicy()]
        monkeypatch.setattr(compat, "installed", lambda: list(standing))
        no_policies.now = standing[0]
        restoration = restore_policies()
        standing.clear()
        no_policies.force(None)
        assert type(asyncio.get_event_loop_policy()) is asyncio.DefaultEventLoopPolicy
        restoration.undo()
        assert no_policies.now is None

    def test_undo_restores_names_that_existed_before(self, monkeypatch):
        monkeypatch.setitem(vars(events), "AbstractEventLoopPolicy", theirs := object())
        names = events.__all__
        with restore_policies():
            assert events.AbstractEventLoopPolicy is asyncio.AbstractEventLoopPolicy is not theirs
            assert events.__all__.count("AbstractEventLoopPolicy") == 1
        assert events.AbstractEventLoopPolicy is theirs
        assert events.__all__ is names

    def test_functions_imported_before_undo_still_work_after_it(self, no_policies):
        with restore_policies():
            from asyncio import get_event_loop_policy, set_event_loop_policy
        assert get_event_loop_policy() is no_policies.asyncio_policy()
        set_event_loop_policy(policy := compat.DefaultEventLoopPolicy())
        assert get_event_loop_policy() is policy
        set_event_loop_policy(None)
        assert no_policies.now is None

    def test_a_policy_whose_truth_value_is_false_is_a_policy(self, no_policies):
        class Policy(compat.DefaultEventLoopPolicy):
            def __len__(self):
                return 0

        with restore_policies():
            asyncio.set_event_loop_policy(policy := Policy())
            assert asyncio.get_event_loop_policy() is policy

    def test_in_a_forked_child_a_set_policy_forgets_the_parents_loops_and_a_context_policy_is_not_touched(
        self, no_policies, monkeypatch
    ):
        monkeypatch.setattr(events, "on_fork", None, raising=False)  # on 3.10 and 3.11 asyncio forgets no loops
        policy = compat.DefaultEventLoopPolicy()
        local = policy._local
        no_policies.now = policy
        compat._restored.after_fork()
        assert policy._local is local
        with restore_policies():
            compat._restored.after_fork()
            assert policy._local is not local
            no_policies.now = ctxpolicy.ContextPolicy()
            compat._restored.after_fork()
            no_policies.now = policy
