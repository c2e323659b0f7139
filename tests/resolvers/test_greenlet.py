"""A context is a greenlet."""

from __future__ import annotations

import gc
import sys
import textwrap
import threading
import weakref

import pytest

from ctxpolicy import ContextPolicy, GreenletResolver, OptionError
from ctxpolicy.testing import StandInLoop, in_new_thread
from tests.support.programs import run_program

greenlet = pytest.importorskip("greenlet")


def collect() -> None:
    for _ in range(4):  # PyPy
        gc.collect()


def in_greenlet(function):
    return greenlet.greenlet(function).switch()


def test_the_context_is_named_by_greenlet_and_thread():
    resolver, thread = GreenletResolver(), threading.current_thread().name
    assert resolver.describe() == f"main greenlet {id(greenlet.getcurrent()):#x} in thread {thread!r}"
    assert in_greenlet(resolver.describe).startswith("greenlet 0x")


def test_it_applies_in_greenlets_other_than_a_threads_main_greenlet():
    resolver = GreenletResolver()
    assert resolver.applies() is False
    assert in_greenlet(resolver.applies) is True
    assert in_new_thread(resolver.applies) is False


def test_greenlets_that_switch_each_keep_their_loop():
    resolver, loops = GreenletResolver(), [StandInLoop(), StandInLoop()]

    def work(loop):
        main.switch(resolver.get())
        resolver.set(loop)
        main.switch()
        return resolver.get()

    main = greenlet.getcurrent()
    workers = [greenlet.greenlet(work) for _ in loops]
    assert [worker.switch(loop) for worker, loop in zip(workers, loops, strict=True)] == [None, None]
    for worker in workers:
        worker.switch()
    assert resolver.get() is None
    assert [worker.switch() for worker in workers] == loops


def test_a_binding_ends_with_its_greenlet():
    resolver, gone = GreenletResolver(), []

    def work():
        loop = StandInLoop()
        resolver.set(loop)
        gone.append(weakref.ref(loop))

    in_greenlet(work)
    collect()
    assert gone[0]() is None


def test_a_main_greenlets_binding_ends_with_the_resolver():
    """The main greenlet lives as long as its thread."""
    resolver = GreenletResolver()
    resolver.set(StandInLoop())
    gone = weakref.ref(resolver.get())
    del resolver
    collect()
    assert gone() is None


def test_a_main_greenlets_lease_ends_with_its_thread():
    policy = ContextPolicy(GreenletResolver(), missing="create")
    loop = in_new_thread(policy.get_event_loop)
    collect()
    assert loop.is_closed()


def test_a_lease_ends_with_its_greenlet():
    policy = ContextPolicy(GreenletResolver(), missing="create")
    worker = greenlet.greenlet(policy.get_event_loop)
    loop = worker.switch()
    del worker
    collect()
    assert loop.is_closed()


@pytest.mark.parametrize("given", ["off", "", 0, None])
def test_running_must_be_true_or_false(given):
    with pytest.raises(OptionError, match=f"running must be True or False, not {given!r}"):
        GreenletResolver(running=given)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "greenlet", None)
    with pytest.raises(OptionError, match=r"pip install 'ctxpolicy\[greenlet\]'"):
        GreenletResolver()


def test_ctxpolicy_does_not_import_greenlet():
    program = """
        import sys
        before = set(sys.modules)  # a tool that measures coverage may have imported it
        import ctxpolicy
        print("greenlet" in set(sys.modules) - before)
    """
    assert run_program(textwrap.dedent(program)) == "False"
