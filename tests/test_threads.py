"""The current thread: whether it is the main thread, and its name in messages."""

from __future__ import annotations

import _thread
import threading

import pytest

from ctxpolicy import TaskResolver
from ctxpolicy._threads import is_main_thread, thread_and_context, thread_name
from ctxpolicy.testing import in_new_thread
from tests.support.policies import in_thread


def test_a_thread_is_called_by_its_name():
    assert thread_name() == repr(threading.current_thread().name)


def test_another_thread_is_called_by_its_name_too():
    ident = threading.get_ident()
    assert in_new_thread(lambda: thread_name(ident)) == repr(threading.current_thread().name)


def test_a_thread_that_has_ended_is_called_by_its_ident():
    thread = threading.Thread(target=str)
    thread.start()
    thread.join()
    others = {other.ident for other in threading.enumerate()}
    if thread.ident not in others:
        assert thread_name(thread.ident) == f"with ident {thread.ident}"


def test_a_thread_that_the_threading_module_does_not_know_gets_no_dummy_object():
    """current_thread() would create one, even in a finalizer at the end of a thread (Python 3.10 to 3.13)."""
    known, told, done = threading.enumerate(), [], _thread.allocate_lock()
    done.acquire()

    def work():
        told.append((thread_name(), threading.get_ident()))
        done.release()

    _thread.start_new_thread(work, ())
    done.acquire()
    ((name, ident),) = told
    assert name == f"with ident {ident}"
    assert set(threading.enumerate()) <= set(known)


def test_the_main_thread_is_recognized_without_making_a_dummy_object():
    known, told, done = threading.enumerate(), [is_main_thread()], _thread.allocate_lock()
    done.acquire()

    def work():
        told.append(is_main_thread())
        done.release()

    _thread.start_new_thread(work, ())
    done.acquire()
    assert told == [threading.current_thread() is threading.main_thread(), False]
    assert set(threading.enumerate()) <= set(known)


class Lost(TaskResolver):
    def describe(self):
        raise LookupError("nowhere")


def test_thread_and_context_are_named():
    said = "in thread 'tenant-7', for thread 'tenant-7', outside any task"
    assert in_thread(lambda: thread_and_context(TaskResolver()), name="tenant-7") == said


@pytest.mark.parametrize("resolver", [Lost(), None])
def test_only_the_thread_is_named_if_the_context_cannot_be(resolver):
    assert in_thread(lambda: thread_and_context(resolver), name="tenant-7") == "in thread 'tenant-7'"
