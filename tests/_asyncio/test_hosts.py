"""The effects of a policy in force on asyncio itself: they hold in a forked child too, and end with the installation.

The same tests run on every host: on an asyncio that has policies, and on one that has none.
"""

from __future__ import annotations

import asyncio
import os
import textwrap
from collections.abc import Callable

import pytest

import ctxpolicy
from ctxpolicy import ContextPolicy, ContextResolver, NoCurrentLoopError, install, using
from ctxpolicy._asyncio.capabilities import platform_loop
from ctxpolicy._asyncio.host import host
from tests.emulated_316._fact_helpers import in_fork
from tests.support.policies import asyncio_alone, in_thread, settled
from tests.support.programs import run_program

# 3.12 and later warn about a fork in a process with threads.
forks = pytest.mark.filterwarnings("ignore:This process .*is multi-threaded:DeprecationWarning")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


class Own(asyncio.SelectorEventLoop):
    """A class of loops that only these tests use."""


def a_new_loop() -> type:
    """Return the class of the loops that asyncio makes, which is the same for each of its functions."""

    async def main() -> type:
        return type(asyncio.get_running_loop())

    kinds = {asyncio.run(main()), ctxpolicy.run(main())}
    for module in (asyncio, asyncio.events):
        loop = module.new_event_loop()
        loop.close()
        kinds.add(type(loop))
    (kind,) = kinds
    return kind


def answer() -> object:
    """Return the result of get_event_loop() while no loop runs, or the class of the exception."""
    try:
        return asyncio.get_event_loop()
    except RuntimeError as error:
        return type(error)


# --- in force ---------------------------------------------------------------------------------------------------------


def test_the_policy_answers_every_call_of_asyncio(resolver: ContextResolver) -> None:
    with install(resolver, missing="error", loop_factory=Own) as installation:
        assert answer() is NoCurrentLoopError
        assert a_new_loop() is Own
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        assert answer() is resolver.get() is installation.policy.get_event_loop() is loop
        assert asyncio.Future().get_loop() is loop  # C code calls get_event_loop()
        asyncio.set_event_loop(None)
        assert resolver.get() is None
        loop.close()


def test_a_loop_set_before_the_installation_is_hidden_until_it_ends(resolver: ContextResolver) -> None:
    with asyncio_alone():
        loop = platform_loop()
        asyncio.set_event_loop(loop)
        with install(resolver, missing="error"):
            assert answer() is NoCurrentLoopError
            asyncio.set_event_loop(None)
        assert answer() is loop
        loop.close()


# --- after the uninstallation -----------------------------------------------------------------------------------------


def all_of_asyncio() -> list[dict[str, object]]:
    return [dict(vars(asyncio)), dict(vars(asyncio.events))]


def installing() -> None:
    with install("thread", loop_factory=Own), install("task", missing="create"):
        pass


def uninstalling_in_another_thread() -> None:
    in_thread(install("thread").uninstall)


def failing_in_a_block() -> None:
    with pytest.raises(ZeroDivisionError), install("thread"):
        1 / 0  # noqa: B018


def using_a_resolver() -> None:
    with using("task"), using("thread"):
        pass


def running_under_a_resolver() -> None:
    ctxpolicy.run(asyncio.sleep(0), resolver="task")


def making_a_policy() -> None:
    ContextPolicy()


@pytest.mark.parametrize(
    "use",
    [
        installing,
        uninstalling_in_another_thread,
        failing_in_a_block,
        using_a_resolver,
        running_under_a_resolver,
        making_a_policy,
    ],
)
def test_after_each_use_every_name_in_asyncio_has_its_previous_value(use: Callable[[], None]) -> None:
    with asyncio_alone():
        before = all_of_asyncio()
        use()
        settled()
        assert all_of_asyncio() == before


def test_after_the_uninstallation_asyncio_answers_by_itself(resolver: ContextResolver) -> None:
    with asyncio_alone():
        native = a_new_loop()
        installation = install(resolver, missing="create", loop_factory=Own)
        assert type(answer()) is Own
        installation.uninstall()
        assert a_new_loop() is native is not Own
        asyncio.set_event_loop(None)
        assert answer() is RuntimeError


# --- in a forked child ------------------------------------------------------------------------------------------------


@forks
@needs_fork
def test_in_a_forked_child_the_policy_is_in_force_and_can_be_uninstalled(resolver: ContextResolver) -> None:
    def child() -> None:
        assert answer() is NoCurrentLoopError
        assert a_new_loop() is Own
        own = asyncio.new_event_loop()
        asyncio.set_event_loop(own)
        assert answer() is resolver.get() is own
        installation.uninstall()
        assert host.in_force() is not installation.policy
        asyncio.set_event_loop(None)
        assert answer() is RuntimeError
        assert a_new_loop() is not Own
        own.close()

    with asyncio_alone(), install(resolver, missing="error", loop_factory=Own) as installation:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        assert in_fork(child) == 0
        assert answer() is loop
        assert loop.run_until_complete(asyncio.sleep(0, True))
        asyncio.set_event_loop(None)
        loop.close()


@needs_fork
def test_a_loop_that_asyncio_alone_has_bound_stays_alive_and_open_in_a_forked_child() -> None:
    program = """
        import asyncio, gc, os, weakref
        from ctxpolicy import install
        from ctxpolicy._asyncio.capabilities import platform_loop

        asyncio.set_event_loop(platform_loop())
        loop = weakref.ref(asyncio.get_event_loop())
        with install("thread"):
            child = os.fork()
            if child == 0:
                gc.collect()
                os._exit(0 if loop() and not loop().is_closed() else 7)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        asyncio.get_event_loop().close()
    """
    # Warnings are not errors here: otherwise the warning about the unclosed loop would prevent its close().
    assert run_program(textwrap.dedent(program), flags=()) == "0"


# --- a limit of the host of 3.16 --------------------------------------------------------------------------------------


@pytest.mark.skipif(hasattr(asyncio.events, "_event_loop_policy"), reason="this asyncio has policies")
def test_without_policies_a_new_event_loop_imported_before_the_installation_is_not_affected() -> None:
    new_event_loop = asyncio.new_event_loop
    with install("thread", loop_factory=Own):
        loop = new_event_loop()
        assert type(loop) is not Own
        loop.close()
