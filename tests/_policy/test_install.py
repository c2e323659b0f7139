"""install: puts a policy in force for the whole process, and restores exactly the previous policy."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

import ctxpolicy
from ctxpolicy import (
    ChainResolver,
    ContextPolicy,
    ContextVarResolver,
    InstallationError,
    OptionError,
    TaskResolver,
    ThreadResolver,
    UnknownNameError,
    install,
)
from ctxpolicy._asyncio.host import host
from ctxpolicy._policy.install import _Installations
from tests.support.policies import default_policy, in_force, in_thread, set_policy
from tests.support.programs import run_program


class Noting(ThreadResolver):
    """Records calls, and raises in the method that the test names."""

    def __init__(self, fails: str = "") -> None:
        super().__init__()
        self.told: list[str] = []
        self.fails = fails

    def installed(self):
        self._note("installed")

    def uninstalled(self):
        self._note("uninstalled")

    def _note(self, what: str) -> None:
        self.told.append(what)
        if self.fails == what:
            raise OSError(f"{what} fails")


def bind_here() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


# --- policies and resolvers that can be installed ---------------------------------------------------------------------


def test_the_default_resolver_is_that_of_contextvars_contexts():
    with install() as installation:
        assert host.in_force() is installation.policy
        assert isinstance(installation.policy.resolver, ContextVarResolver)
        assert installation.policy.missing == "asyncio"


def test_a_resolver_its_name_or_a_policy_can_be_installed():
    resolver, policy = ThreadResolver(), ContextPolicy("task")
    with install(resolver) as installation:
        assert installation.policy.resolver is resolver
    with install("task") as installation:
        assert isinstance(installation.policy.resolver, TaskResolver)
    with install(policy) as installation:
        assert installation.policy is policy is host.in_force()


def test_the_options_are_passed_to_the_policy():
    made = []

    def factory() -> asyncio.AbstractEventLoop:
        made.append(asyncio.SelectorEventLoop())
        return made[-1]

    with install("thread", missing="create", loop_factory=factory) as installation:
        assert installation.policy.missing == "create"
        assert in_thread(asyncio.get_event_loop) is made[0]
        assert asyncio.new_event_loop() is made[1]
    for loop in made:
        loop.close()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (["nobody"], {}, UnknownNameError, "no resolver is called 'nobody'"),
        ([5], {}, OptionError, "a resolver must be an instance of ContextResolver, or the name of one, not 5"),
        ([ThreadResolver], {}, OptionError, r"did you mean ThreadResolver\(\)\?"),
        (["keyed"], {}, OptionError, "missing a required argument: 'key'"),
        (["thread"], {"mising": "error"}, OptionError, r"install\(\) takes missing and loop_factory, not mising"),
        (["thread"], {"missing": "raise"}, OptionError, "missing must be one of 'asyncio', 'error', 'create'"),
        (["thread"], {"missing": ["error"]}, OptionError, "missing must be one of"),
        (["thread"], {"loop_factory": "libuv"}, UnknownNameError, "no loop factory is called 'libuv'"),
        (["thread"], {"loop_factory": 7}, OptionError, "loop_factory must be a callable or a name, not 7"),
    ],
)
def test_a_failed_install_changes_nothing(arguments, options, error, message):
    with in_force(default_policy()) as previous:
        with pytest.raises(error, match=message):
            install(*arguments, **options)
        assert host.in_force() is previous


def test_a_policy_cannot_be_installed_with_options():
    policy = ContextPolicy("thread")
    with pytest.raises(OptionError, match=r"install\(\) of a policy takes no options \(missing\)"):
        install(policy, missing="error")
    assert host.in_force() is not policy


# --- the undo ---------------------------------------------------------------------------------------------------------


def test_uninstall_restores_the_previous_policy_itself_with_its_loops():
    with in_force(default_policy()) as previous:
        loop = bind_here()
        with install("thread"):
            other = bind_here()
            assert asyncio.get_event_loop() is other
        assert host.in_force() is previous
        assert asyncio.get_event_loop() is loop
        loop.close()
        other.close()


def test_uninstall_leaves_no_policy_if_asyncio_had_created_none():
    with in_force(None):
        install().uninstall()
        assert host.in_force() is None


def test_loops_bound_under_an_installation_are_current_again_with_the_same_resolver():
    resolver = ThreadResolver()
    with install(resolver):
        loop = bind_here()
    with install(resolver):
        assert asyncio.get_event_loop() is loop
    loop.close()


def test_a_with_block_uninstalls_even_if_its_body_raises():
    before = host.in_force()
    with pytest.raises(ZeroDivisionError), install():
        1 / 0  # noqa: B018
    assert host.in_force() is before


def test_a_body_may_uninstall_itself():
    before = host.in_force()
    with install() as installation:
        installation.uninstall()
    assert host.in_force() is before


def test_an_installation_cannot_be_uninstalled_twice():
    installation = install("thread")
    installation.uninstall()
    with install("task") as other:
        with pytest.raises(
            InstallationError, match="resolver=.*ThreadResolver.* is not installed .*in thread .*Uninstall .* once"
        ):
            installation.uninstall()
        assert host.in_force() is other.policy


def test_installations_nest_and_the_inner_one_is_in_force():
    before = host.in_force()
    with install("thread") as outer:
        first = bind_here()
        with install("task") as inner:
            assert host.in_force() is inner.policy
            second = bind_here()
            assert asyncio.get_event_loop() is second
        assert host.in_force() is outer.policy
        assert asyncio.get_event_loop() is first
    assert host.in_force() is before
    first.close()
    second.close()


def test_uninstalling_out_of_order_changes_nothing_and_names_the_policy_to_uninstall_first():
    before = host.in_force()
    outer, inner = install("thread"), install("task")
    with pytest.raises(InstallationError) as caught:
        outer.uninstall()
    assert "TaskResolver" in str(caught.value)
    assert f"cannot be uninstalled in thread {threading.current_thread().name!r}" in str(caught.value)
    assert str(caught.value).endswith("Uninstall that policy first.")
    assert host.in_force() is inner.policy
    inner.uninstall()
    assert host.in_force() is outer.policy
    outer.uninstall()
    assert host.in_force() is before


def test_a_policy_is_installed_once_at_a_time():
    policy = ContextPolicy("thread")
    with install(policy) as installation:
        with pytest.raises(
            InstallationError, match="is installed already .*in thread .*Create another ContextPolicy, or uninstall"
        ):
            install(policy)
        assert host.in_force() is policy
        installation.uninstall()
        with install(policy):
            assert host.in_force() is policy


def test_a_policy_set_with_asyncios_function_can_be_installed_over_itself():
    policy = ContextPolicy("thread")
    with in_force(policy):
        with install(policy):
            assert host.in_force() is policy
        assert host.in_force() is policy


@pytest.mark.parametrize("replacement", [None, "asyncio's", "ours"])
def test_a_policy_that_other_code_has_set_since_stays_and_is_named(replacement):
    policies = {"asyncio's": default_policy, "ours": ContextPolicy}
    policy = policies[replacement]() if replacement else None
    installation = install("thread")
    with in_force(policy):
        with pytest.raises(InstallationError) as caught:
            installation.uninstall()
        assert host.in_force() is policy
    message = str(caught.value)
    assert (repr(policy) if replacement == "ours" else "asyncio's default policy") in message
    assert "thread 'MainThread'" in message
    assert "by asyncio.set_event_loop_policy()" in message
    assert repr(installation).endswith(", installed>")
    installation.uninstall()  # in_force() has put the policy in force again
    assert repr(installation).endswith(", uninstalled>")


def test_a_with_block_whose_policy_was_replaced_raises():
    before = host.in_force()
    installation = install("thread")
    with pytest.raises(InstallationError, match="has replaced it, by asyncio"), installation:
        set_policy(None)
    set_policy(installation.policy)
    installation.uninstall()
    assert host.in_force() is before


# --- any thread, any time ---------------------------------------------------------------------------------------------


def test_it_may_be_installed_and_uninstalled_in_any_thread():
    before = host.in_force()
    installation = in_thread(install, "thread", name="installer")
    assert host.in_force() is installation.policy
    in_thread(installation.uninstall)
    assert host.in_force() is before


def test_many_threads_may_install_at_once():
    policies = [ContextPolicy("thread") for _ in range(8)]
    before, together, installations = host.in_force(), threading.Barrier(len(policies)), []

    def job(policy: ContextPolicy) -> None:
        together.wait()
        installations.append(install(policy))

    threads = [threading.Thread(target=job, args=[policy]) for policy in policies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The list may be in another order than the installations. Each error names the policy to uninstall first.
    while installations:
        (last,) = [each for each in installations if each.policy is host.in_force()]
        last.uninstall()
        installations.remove(last)
    assert host.in_force() is before


def test_a_running_loop_is_not_touched():
    async def main() -> list[asyncio.AbstractEventLoop]:
        seen = [asyncio.get_event_loop()]
        with install("task", missing="error"):
            seen.append(asyncio.get_event_loop())
            await asyncio.sleep(0)
            seen.append(asyncio.get_event_loop())
        seen.append(asyncio.get_event_loop())
        return seen

    seen = asyncio.run(main())
    assert seen == seen[:1] * 4


def test_an_installation_may_outlive_the_run_that_made_it():
    async def main() -> ctxpolicy.Installation:
        return install("thread", missing="error")

    before = host.in_force()
    with in_force(default_policy()) as previous:
        installation = asyncio.run(main())
        assert host.in_force() is installation.policy
        installation.uninstall()
        assert host.in_force() is previous
    assert host.in_force() is before


# --- installed() and uninstalled() of the resolver --------------------------------------------------------------------


def test_installed_and_uninstalled_are_called():
    resolver = Noting()
    with install(resolver):
        assert resolver.told == ["installed"]
    assert resolver.told == ["installed", "uninstalled"]


def test_if_installed_raises_nothing_changes():
    resolver = Noting(fails="installed")
    with in_force(default_policy()) as previous:
        with pytest.raises(OSError, match="installed fails"):
            install(resolver)
        assert host.in_force() is previous
        assert resolver.told == ["installed"]
        resolver.fails = ""
        with install(resolver):
            pass


def test_if_uninstalled_raises_the_previous_policy_is_restored_all_the_same():
    resolver = Noting(fails="uninstalled")
    with in_force(default_policy()) as previous:
        installation = install(resolver)
        with pytest.raises(OSError, match="uninstalled fails"):
            installation.uninstall()
        assert host.in_force() is previous
        assert repr(installation).endswith(", uninstalled>")


def test_if_installed_raises_in_a_chain_uninstalled_is_called_on_the_first_resolver():
    first = Noting()
    with pytest.raises(OSError, match="installed fails"):
        install(ChainResolver(first, Noting(fails="installed")))
    assert first.told == ["installed", "uninstalled"]


def test_if_asyncio_refuses_the_policy_uninstalled_is_called(monkeypatch):
    def refuse(_):
        raise InstallationError("not here")

    resolver = Noting()
    before = host.in_force()
    with monkeypatch.context() as patch:
        patch.setattr(type(host), "force", lambda self, policy: refuse(policy))
        with pytest.raises(InstallationError, match="not here"):
            install(resolver)
    assert resolver.told == ["installed", "uninstalled"]
    assert host.in_force() is before


def test_installing_in_one_contextvars_context_takes_effect_in_all():
    context = contextvars.Context()
    installation = context.run(install, "thread")
    assert host.in_force() is installation.policy
    contextvars.Context().run(installation.uninstall)
    assert host.in_force() is not installation.policy


# --- the hooks of using() ---------------------------------------------------------------------------------------------


def test_without_using_a_change_calls_no_hook():
    """A program that never imports using() has no hooks."""
    fresh, called = _Installations(), []
    with fresh.change():
        fresh.after_uninstall()
        fresh.call_unless_changing(lambda: called.append("inside"))
    fresh.call_unless_changing(lambda: called.append("outside"))
    assert called == ["outside"]


def test_install_does_not_import_using():
    program = (
        "import sys, ctxpolicy\n"
        "with ctxpolicy.install('thread'): pass\n"
        "print([name for name in ('using', 'passthrough', 'override') if f'ctxpolicy._policy.{name}' in sys.modules])"
    )
    assert run_program(program) == "[]"
