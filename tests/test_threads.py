"""How messages call a thread."""

from __future__ import annotations

import _thread
import threading

from ctxpolicy._threads import is_main_thread, thread_name
from ctxpolicy.testing import in_new_thread


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


def test_a_thread_that_the_threading_module_does_not_know_gets_no_dummy():
    """current_thread() would make one, in a finalizer at a thread's end too (Python 3.10 to 3.13)."""
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


def test_the_main_thread_is_told_from_others_without_making_a_dummy():
    known, told, done = threading.enumerate(), [is_main_thread()], _thread.allocate_lock()
    done.acquire()

    def work():
        told.append(is_main_thread())
        done.release()

    _thread.start_new_thread(work, ())
    done.acquire()
    assert told == [threading.current_thread() is threading.main_thread(), False]
    assert set(threading.enumerate()) <= set(known)
