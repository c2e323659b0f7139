"""Contexts of the usual kinds: how functions run in them, and in which thread."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref

import pytest

from ctxpolicy.testing import (
    StandInLoop,
    contextvars_context,
    greenlet_context,
    in_new_thread,
    task_context,
    thread_context,
)

KINDS = {"contextvars": contextvars_context, "thread": thread_context, "task": task_context}


@pytest.fixture(params=[*KINDS, "greenlet"])
def kind(request):
    if request.param == "greenlet":
        pytest.importorskip("greenlet", reason="needs the package greenlet, which is not installed")
        return greenlet_context
    return KINDS[request.param]


def test_a_function_runs_and_its_result_comes_back(kind):
    with kind() as run:
        assert [run(lambda: 1), run(lambda: None), run(lambda: [2])] == [1, None, [2]]


@pytest.mark.parametrize("error", [ValueError("in a context"), KeyboardInterrupt(), SystemExit(3)])
def test_an_exception_is_raised_in_the_caller_and_the_context_can_be_used_again(kind, error):
    def fail():
        raise error

    with kind() as run:
        with pytest.raises(type(error)) as caught:
            run(fail)
        assert caught.value is error
        assert run(lambda: 1) == 1


def test_functions_and_results_are_not_kept_alive(kind):
    with kind() as run:
        loop = StandInLoop()
        gone = weakref.ref(loop)
        assert run(lambda loop=loop: loop) is loop
        del loop
        for _ in range(4):  # PyPy
            gc.collect()
        assert gone() is None


def test_contexts_can_be_made_inside_others_and_outlive_them(kind):
    outer = kind()
    run = outer.__enter__()
    inner = kind()
    run_inner = run(inner.__enter__)
    assert run(lambda: 1) == run_inner(lambda: 1)
    outer.__exit__(None, None, None)
    assert run_inner(lambda: 2) == 2
    inner.__exit__(None, None, None)


def test_a_contextvars_context_is_a_copy_of_its_creators_context():
    variable = contextvars.ContextVar("variable", default="none")
    with contextvars_context() as run:
        run(lambda: variable.set("there"))
        assert run(variable.get) == "there"
    assert variable.get() == "none"


def test_a_thread_is_one_thread_and_ends_with_the_block():
    with thread_context() as run:
        thread = run(threading.current_thread)
        assert run(threading.current_thread) is thread is not threading.current_thread()
    assert not thread.is_alive()


def test_a_task_is_one_task_and_ends_with_the_block():
    with task_context() as run:
        task = run(asyncio.current_task)
        assert run(asyncio.current_task) is task
        assert run(asyncio.get_running_loop) is task.get_loop()
    assert task.done()
    assert task.get_loop().is_closed()


def test_tasks_made_in_a_task_share_its_loop_until_the_last_one_ends():
    outer = task_context()
    run = outer.__enter__()
    inner = task_context()
    run_inner = run(inner.__enter__)
    loop = run(asyncio.get_running_loop)
    assert run_inner(asyncio.get_running_loop) is loop
    assert run_inner(asyncio.current_task) is not run(asyncio.current_task)
    outer.__exit__(None, None, None)
    assert not loop.is_closed()
    inner.__exit__(None, None, None)
    assert loop.is_closed()


def test_a_greenlet_is_one_greenlet_and_cannot_be_entered_in_another_thread():
    greenlet = pytest.importorskip("greenlet", reason="needs the package greenlet, which is not installed")
    with greenlet_context() as run:
        context = run(greenlet.getcurrent)
        assert run(greenlet.getcurrent) is context is not greenlet.getcurrent()
        with pytest.raises((ValueError, greenlet.error), match="thread"):
            in_new_thread(lambda: run(lambda: 1))
        assert run(lambda: 1) == 1
    assert context.dead


def test_in_new_thread_returns_the_result_and_raises_the_exception_of_its_function():
    assert in_new_thread(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        in_new_thread(lambda: 1 / 0)
