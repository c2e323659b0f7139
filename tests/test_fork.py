"""Which objects are renewed in a forked child, and in which order."""

from __future__ import annotations

import gc
import os
import textwrap

import pytest

from ctxpolicy import _fork
from ctxpolicy._asyncio.capabilities import CREATES_IMPLICITLY
from tests.support.programs import run_program

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


class Renewed:
    """Records its renewal in a list. It equals all others and is not hashable, as a resolver may be."""

    __hash__ = None

    def __init__(self, name, log, error=None):
        self.name, self.log, self.error = name, log, error

    def __eq__(self, other):
        return True

    def after_fork(self):
        self.log.append(self.name)
        if self.error:
            raise self.error


@pytest.fixture
def nothing_else(monkeypatch):
    monkeypatch.setattr(_fork, "_renewables", tuple(type(rank)() for rank in _fork._renewables))


def test_the_host_is_renewed_first_then_resolvers_then_policies(nothing_else):
    log = []
    things = {
        Renewed_: rank
        for rank, Renewed_ in ((_fork.POLICY, "policy"), (_fork.RESOLVER, "resolver"), (_fork.HOST, "host"))
    }
    alive = [Renewed(name, log) for name in things]
    for thing in alive:
        _fork.renew_after_fork(thing, things[thing.name])
    _fork._in_child()
    assert log == ["host", "resolver", "policy"]


def test_within_a_rank_the_order_of_registration_counts(nothing_else):
    log = []
    alive = [Renewed(number, log) for number in range(20)]
    for thing in alive:
        _fork.renew_after_fork(thing, _fork.RESOLVER)
    _fork._in_child()
    assert log == list(range(20))


def test_registration_keeps_no_object_alive(nothing_else):
    log = []
    _fork.renew_after_fork(Renewed("gone", log), _fork.HOST)
    gc.collect()
    _fork._in_child()
    assert log == []


def test_an_object_that_fails_does_not_stop_the_renewal_of_the_others(nothing_else):
    log = []
    alive = [Renewed("first", log, ValueError("first")), Renewed("second", log, ValueError("second")), Renewed(3, log)]
    for thing in alive:
        _fork.renew_after_fork(thing, _fork.RESOLVER)
    with pytest.raises(ValueError, match="first"):
        _fork._in_child()
    assert log == ["first", "second", 3]


def test_the_process_is_known_by_its_id():
    assert _fork.process.id == os.getpid()


@needs_fork
def test_a_forked_child_has_an_id_and_resolvers_of_its_own():
    program = """
        import os, sys
        from ctxpolicy import ThreadResolver, _fork
        from ctxpolicy.testing import StandInLoop

        class Resolver(ThreadResolver):
            def after_fork(self):
                sys.stdout.write("renewed ")

        resolver = Resolver()
        resolver.set(StandInLoop())
        child = os.fork()
        if child == 0:
            sys.stdout.write(f"{_fork.process.id == os.getpid()} {resolver.get()}")
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)
        assert resolver.get() is not None
    """
    assert run_program(textwrap.dedent(program)) == "renewed True None"


@needs_fork
def test_in_a_forked_child_the_policy_in_force_hands_out_no_loop_of_the_parent(resolver_case):
    program = """
        import asyncio, os, sys
        import ctxpolicy
        from tests.support.resolver_cases import CASES

        with ctxpolicy.install(CASES[sys.argv[1]].make(), missing="error"):
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            child = os.fork()
            if child == 0:
                try:
                    said = asyncio.get_event_loop()
                except RuntimeError:
                    said = "nothing"
                asyncio.run(asyncio.sleep(0))
                print(said, flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            assert asyncio.get_event_loop() is loop
            asyncio.set_event_loop(None)
            loop.close()
    """
    assert run_program(textwrap.dedent(program), resolver_case.name) == "nothing"


@needs_fork
@pytest.mark.skipif(not CREATES_IMPLICITLY, reason="asyncio of this Python creates no loop implicitly")
def test_a_loop_that_the_parent_created_implicitly_is_not_handed_out_in_a_forked_child():
    program = """
        import asyncio, os, warnings
        import ctxpolicy

        warnings.simplefilter("ignore", DeprecationWarning)
        with ctxpolicy.install("contextvar"):
            loop = asyncio.get_event_loop()
            child = os.fork()
            if child == 0:
                print(asyncio.get_event_loop() is loop, flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            assert asyncio.get_event_loop() is loop
            loop.close()
    """
    assert run_program(textwrap.dedent(program)) == "False"


@needs_fork
def test_the_loop_of_the_policy_under_an_installed_one_is_not_closed_in_a_forked_child():
    """The child's copy shares kernel objects with the parent's loop. asyncio resets only the policy in force.

    The loop is not closed either when the child drops that policy.
    """
    program = """
        import asyncio, gc, os
        import ctxpolicy
        from ctxpolicy._asyncio.host import host

        class Loop(asyncio.SelectorEventLoop):
            def close(self):
                print("closed", flush=True)
                super().close()

        asyncio.set_event_loop(Loop())
        installation = ctxpolicy.install()
        child = os.fork()
        if child == 0:
            gc.collect()
            installation.uninstall()
            del installation  # it refers to the previous policy
            host.force(None)
            gc.collect()
            print("child ends", flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        installation.uninstall()
        asyncio.get_event_loop().close()
    """
    assert run_program(textwrap.dedent(program), flags=("-W", "ignore")).splitlines() == ["child ends", "closed"]


@needs_fork
def test_policies_installed_over_each_other_are_uninstalled_in_a_forked_child_too():
    program = """
        import asyncio, os
        import ctxpolicy

        before = ctxpolicy.explain().policy
        with ctxpolicy.install("thread"):
            with ctxpolicy.install("task"):
                asyncio.run(asyncio.sleep(0))
                child = os.fork()
                if child:
                    assert os.waitpid(child, 0)[1] == 0
            print(ctxpolicy.explain().resolver, flush=True)
            asyncio.run(asyncio.sleep(0))
        print(ctxpolicy.explain().policy == before, flush=True)
    """
    assert run_program(textwrap.dedent(program)).splitlines() == ["ThreadResolver", "True"] * 2


@needs_fork
def test_a_forked_child_can_install_although_another_thread_of_the_parent_held_the_lock():
    program = """
        import os, signal, threading
        import ctxpolicy
        from ctxpolicy._policy.install import installations

        def hold():
            with installations.change():
                held.set()
                forked.wait()

        held, forked = threading.Event(), threading.Event()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        child = os.fork()
        if child == 0:
            signal.alarm(60)  # ends the process if it waits forever
            ctxpolicy.install("thread").uninstall()
            print("done", flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        forked.set()
        thread.join()
    """
    assert (
        run_program(textwrap.dedent(program), flags=("-W", "ignore")) == "done"
    )  # 3.12 warns about a fork in a process with threads
