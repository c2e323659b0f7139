"""The host puts a policy in force on this Python, and reports an asyncio that offers no way to do this."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import pytest

from ctxpolicy import ContextPolicy
from ctxpolicy._asyncio.capabilities import CREATES_IMPLICITLY, CREATION_WARNS, PolicyBase, debug_mode, platform_loop
from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.other_policies import forget_after_fork, is_asyncio_default
from ctxpolicy._asyncio.policy_classes import NativeThreadLocal
from ctxpolicy._asyncio.running import current_task, running_loop, suspended_running_loop
from tests.support.policies import default_policy, in_force, in_thread
from tests.support.programs import run_program

with_policies = pytest.mark.skipif(
    not hasattr(asyncio.events, "_event_loop_policy"), reason="asyncio of this Python has no policies"
)


def test_a_forced_policy_is_in_force_and_asyncio_uses_it():
    loop = platform_loop()
    policy = ContextPolicy("thread")
    with in_force(None):
        host.force(policy)
        assert host.in_force() is policy
        asyncio.set_event_loop(loop)
        assert asyncio.get_event_loop() is loop is policy.get_event_loop()
        asyncio.set_event_loop(None)
        host.force(None)
        assert host.in_force() is None
    loop.close()


@with_policies
def test_asyncios_default_policy_is_created_once_and_is_then_in_force():
    with in_force(None):
        own = host.asyncio_policy()
        assert is_asyncio_default(own)
        assert host.in_force() is own is host.asyncio_policy()


@with_policies
def test_asyncio_policy_returns_the_policy_that_asyncio_itself_returns():
    with in_force(None):
        own = host.asyncio_policy()
        getter = getattr(asyncio.events, "_get_event_loop_policy", None) or asyncio.get_event_loop_policy
        assert getter() is own


def test_a_subclass_or_another_policy_is_not_asyncios_default():
    class Mine(PolicyBase):  # type: ignore[misc]
        pass

    assert is_asyncio_default(None)
    assert is_asyncio_default(default_policy())
    assert not is_asyncio_default(Mine())
    assert not is_asyncio_default(ContextPolicy())


def test_a_platform_loop_has_the_class_of_asyncios_default_loops():
    with in_force(default_policy()):
        ours, asyncios = platform_loop(), asyncio.new_event_loop()
    assert type(ours) is type(asyncios)
    ours.close()
    asyncios.close()


def test_the_wakeup_fd_for_signals_is_restored_after_another_loop_has_run_inside_the_running_loop():
    """A uvloop removes the wakeup file descriptor when it stops."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    number = writer.fileno()
    previous = signal.set_wakeup_fd(number)
    try:
        with suspended_running_loop():
            signal.set_wakeup_fd(-1)
    finally:
        found = signal.set_wakeup_fd(previous)
        reader.close()
        writer.close()
    assert found == number


def test_the_running_loop_and_task_are_those_of_this_thread():
    async def main() -> None:
        assert running_loop() is asyncio.get_running_loop()
        assert current_task() is asyncio.current_task()
        assert in_thread(running_loop) is None
        assert in_thread(current_task) is None
        asyncio.get_running_loop().call_soon(lambda: tasks.append(current_task()))
        await asyncio.sleep(0)

    tasks: list[object] = []
    asyncio.run(main())
    assert tasks == [None]
    assert running_loop() is None
    assert current_task() is None


@pytest.mark.parametrize("flags", [(), ("-X", "dev")])
def test_debug_mode_is_that_of_asyncio(flags):
    program = "from ctxpolicy._asyncio.capabilities import debug_mode; print(debug_mode())"
    shown = run_program(program, flags=("-W", "error", *flags))
    assert shown == str(bool(flags))


@pytest.mark.parametrize(("value", "on"), [("1", True), ("", False), (None, False)])
@pytest.mark.parametrize("replaced", [False, True])
def test_debug_mode_follows_the_variable_even_if_os_environ_is_replaced(value, on, replaced, monkeypatch):
    if replaced:
        monkeypatch.setattr(os, "environ", {})
    if value is None:
        monkeypatch.delenv("PYTHONASYNCIODEBUG", raising=False)
    else:
        monkeypatch.setenv("PYTHONASYNCIODEBUG", value)
    assert debug_mode() is on


def test_the_flag_that_ignores_the_environment_leaves_the_debug_mode_off(monkeypatch):
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    program = "from ctxpolicy._asyncio.capabilities import debug_mode; print(debug_mode())"
    assert run_program(program, flags=("-E",)) == "False"


@with_policies
def test_the_capability_constants_match_asyncios_default_policy():
    with in_force(default_policy()), pytest.MonkeyPatch.context() as patch:
        warned: list[type[Warning]] = []
        patch.setattr("warnings.warn", lambda message, category, **_: warned.append(category))
        try:
            asyncio.get_event_loop().close()
            created = True
        except RuntimeError:
            created = False
    assert created is CREATES_IMPLICITLY
    assert bool(warned) is (CREATES_IMPLICITLY and CREATION_WARNS)


def test_a_policy_forgets_the_parents_loop_if_asyncio_does_so_too():
    policy, loop = default_policy(), platform_loop()
    policy.set_event_loop(loop)
    kept = forget_after_fork(policy)
    assert kept._loop is loop
    forgets = hasattr(asyncio.events, "on_fork")
    assert (policy._local._loop is None) is forgets
    loop.close()


def test_a_policy_over_asyncios_own_thread_local_keeps_it_after_a_fork():
    policy = default_policy()
    policy._local = native = NativeThreadLocal(lambda: None)
    assert forget_after_fork(policy) is None
    assert policy._local is native


def test_an_object_that_keeps_no_loops_has_nothing_to_forget():
    assert forget_after_fork(object()) is None
    assert forget_after_fork(None) is None


def test_the_host_has_the_name_of_its_mechanism():
    assert host.name in ("asyncio's policy system", "asyncio.events._local")


# --- an asyncio that offers neither policies nor a place for a loop ---------------------------------------------------

BARE = """
import asyncio, sys
from asyncio import events, unix_events
for module in (events, unix_events, asyncio):
    for name in ("_event_loop_policy", "_local", "_DefaultEventLoopPolicy", "DefaultEventLoopPolicy"):
        vars(module).pop(name, None)
"""


def test_on_an_asyncio_that_offers_neither_the_import_works_and_install_says_why_it_fails():
    shown = run_program(
        BARE + "import ctxpolicy\n"
        "from ctxpolicy._asyncio.host import host\n"
        "print(host.name, host.in_force(), type(host.asyncio_policy()).__name__)\n"
        "host.after_fork()\n"
        "try: ctxpolicy.install()\n"
        "except ctxpolicy.InstallationError as error: print(error)"
    )
    assert shown == (
        "none None DefaultEventLoopPolicy\n"
        f"asyncio of Python {sys.version.split()[0]} has neither event loop policies nor asyncio.events._local: this "
        "version of ctxpolicy cannot be installed on it. Look for a newer ctxpolicy."
    )
