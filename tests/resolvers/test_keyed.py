"""A context is a key that a function returns."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import socket
import textwrap
import threading
import weakref

import pytest

from ctxpolicy import ContextPolicy, KeyedResolver, OptionError, ResolverError, install
from ctxpolicy.testing import StandInLoop, in_new_thread, thread_context
from tests.resolvers.races import loops_of_threads
from tests.support.programs import run_program


class Key:
    """The current key, which is the same in all threads."""

    value = "a"

    def __call__(self):
        return self.value


@pytest.fixture
def key():
    return Key()


def collect() -> None:
    for _ in range(4):  # PyPy
        gc.collect()


def test_a_key_that_cannot_be_called_is_refused():
    with pytest.raises(OptionError, match="key must be a callable .* not 'tenant'"):
        KeyedResolver("tenant")


@pytest.mark.parametrize("given", ["no", "", 1, None])
def test_shared_must_be_true_or_false(key, given):
    with pytest.raises(OptionError, match=f"shared must be True or False, not {given!r}"):
        KeyedResolver(key, shared=given)


def test_the_error_for_an_unhashable_key_says_what_to_return_instead():
    resolver = KeyedResolver(lambda: ["a", "list"])
    with pytest.raises(ResolverError, match=r"key\(\) returned \['a', 'list'\], which cannot be hashed.*its id"):
        resolver.get()


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        (contextvars.ContextVar("tenant").get, r"key\(\) raised LookupError\(.*ContextVar\(name, default=None\)"),
        (lambda: ["a", "list"], r"key\(\) returned \['a', 'list'\], which cannot be hashed.*its id"),
    ],
)
@pytest.mark.parametrize(
    "ask",
    [asyncio.get_event_loop, lambda: asyncio.set_event_loop(None), lambda: asyncio.set_event_loop(StandInLoop())],
    ids=["get", "unset", "set"],
)
def test_get_set_and_unset_name_a_broken_key_function_and_the_thread(key, complaint, ask):
    with install(KeyedResolver(key)), pytest.raises(ResolverError, match=complaint) as caught:
        ask()
    said = str(caught.value)
    assert said.startswith("KeyedResolver: key() ")
    assert f", in thread {threading.current_thread().name!r}. Fix the key function {key!r}: it must return " in said
    assert not isinstance(caught.value.__cause__, ResolverError)


def test_the_context_is_named_by_key_and_thread(key):
    resolver, thread = KeyedResolver(key), threading.current_thread().name
    assert resolver.describe() == f"key 'a' in thread {thread!r}"
    key.value = None
    assert resolver.describe() == f"thread {thread!r}, where there is no key"


def test_it_applies_if_there_is_a_key(key):
    resolver = KeyedResolver(key)
    assert resolver.applies() is True
    key.value = None
    assert resolver.applies() is False


@pytest.mark.parametrize("shared", [False, True])
def test_each_key_has_a_loop_of_its_own(key, shared):
    resolver = KeyedResolver(key, shared)
    loops = {"a": StandInLoop("a's"), "b": StandInLoop("b's"), None: StandInLoop("the thread's")}
    for key.value, loop in loops.items():
        assert resolver.get() is None
        resolver.set(loop)
    for key.value, loop in loops.items():
        assert resolver.get() is loop


def test_an_unshared_key_has_a_loop_per_thread_and_a_shared_key_one_for_all_threads(key):
    loop = StandInLoop()
    for shared, expected in (False, None), (True, loop):
        resolver = KeyedResolver(key, shared)
        resolver.set(loop)
        assert in_new_thread(resolver.get) is expected


def test_without_a_key_the_thread_is_the_context_even_if_keys_are_shared(key):
    resolver = KeyedResolver(key, shared=True)
    key.value = None
    resolver.set(StandInLoop())
    assert in_new_thread(resolver.get) is None


def test_the_context_of_a_shared_key_is_not_thread_exclusive(key):
    assert KeyedResolver(key).bindings.is_thread_exclusive() is True
    shared = KeyedResolver(key, shared=True)
    assert shared.bindings.is_thread_exclusive() is False
    key.value = None
    assert shared.bindings.is_thread_exclusive() is True


@pytest.mark.parametrize("shared", [False, True])
def test_release_closes_the_loops_leased_for_the_key_in_all_threads(key, shared):
    resolver = KeyedResolver(key, shared)
    policy = ContextPolicy(resolver, missing="create")
    with thread_context() as run:
        mine, other = policy.get_event_loop(), run(policy.get_event_loop)
        assert (mine is other) is shared
        kept = resolver.binding()  # a lease that is still referred to, or that PyPy has not freed, ends too
        in_new_thread(lambda: resolver.release("a"))
        assert kept.loop is mine
        assert mine.is_closed()
        assert other.is_closed()
        assert resolver.get() is run(resolver.get) is None


def test_release_in_the_thread_that_leased_the_loop_shuts_it_down(key):
    resolver = KeyedResolver(key)
    loop = resolver.bindings.lease(asyncio.new_event_loop)
    task = loop.create_task(asyncio.sleep(3600))
    resolver.release("a")
    assert task.cancelled()
    assert loop.is_closed()


def test_release_of_a_key_whose_loop_is_running_leaves_the_loop_to_its_runner(key):
    async def main():
        resolver.release("a")
        return resolver.get()

    resolver = KeyedResolver(key)
    loop = resolver.bindings.lease(asyncio.new_event_loop)
    lease = resolver.binding().lease
    assert loop.run_until_complete(main()) is None
    assert not loop.is_closed()
    lease.release()
    assert loop.is_closed()


def test_release_of_a_key_whose_lease_has_ended_forgets_the_key(key):
    resolver = KeyedResolver(key)
    resolver.bindings.lease(asyncio.new_event_loop)
    resolver.binding().lease.release()
    resolver.release("a")
    assert not resolver.bindings.was_set()


def test_release_of_an_unknown_key_does_nothing(key):
    resolver = KeyedResolver(key)
    resolver.set(StandInLoop())
    resolver.release("another")
    assert resolver.get() is not None


def test_an_unshared_keys_lease_ends_with_its_thread(key):
    policy = ContextPolicy(KeyedResolver(key), missing="create")
    loop = in_new_thread(policy.get_event_loop)
    collect()
    assert loop.is_closed()


def test_a_cleared_key_is_forgotten(key):
    resolver = KeyedResolver(key)
    resolver.set(StandInLoop())
    gone = weakref.ref(resolver.get())
    resolver.bindings.clear()
    resolver.bindings.clear()
    collect()
    assert gone() is None
    assert not resolver.bindings.was_set()


def test_threads_that_need_a_shared_keys_loop_at_once_lease_one_together(key):
    policy = ContextPolicy(KeyedResolver(key, shared=True), missing="create")
    assert len(loops_of_threads(policy)) == 1
    policy.resolver.release("a")


def is_held(lock) -> bool:
    """Return whether this thread holds ``lock``."""

    def acquire() -> bool:
        free = lock.acquire(blocking=False)
        if free:
            lock.release()
        return free

    return not in_new_thread(acquire)


@pytest.mark.parametrize("shared", [False, True])
def test_only_the_slot_of_a_shared_key_is_changed_under_a_lock(shared):
    def key():
        held.append(is_held(resolver._locks.change))
        return "a"

    held, resolver = [], KeyedResolver(key, shared)
    resolver.set(StandInLoop())
    resolver.bindings.clear()
    assert held == [shared] * 4  # a change loads the slot and stores it


def test_a_shared_key_is_forgotten_under_the_lock_of_changes(key):
    class Watched(dict):
        def pop(self, *args):
            held.append(is_held(resolver._locks.change))
            return super().pop(*args)

    held, resolver = [], KeyedResolver(key, shared=True)
    resolver._shared.bindings = Watched()
    resolver.release("a")
    assert held == [True]


def test_the_slots_of_all_threads_are_collected_and_listed_under_a_lock(key):
    class Watched(weakref.WeakSet):
        def add(self, item):
            held.append(is_held(everywhere.lock))
            super().add(item)

        def __iter__(self):
            held.append(is_held(everywhere.lock))
            return super().__iter__()

    held, resolver = [], KeyedResolver(key)
    everywhere = resolver._everywhere
    everywhere._slots = Watched()
    in_new_thread(lambda: resolver.set(StandInLoop()))
    resolver.release("a")
    assert held == [True, True]


def test_callbacks_of_a_transport_have_the_key_of_the_code_that_made_it():
    """They run in the contextvars context of the code that made it: a key read there is stale for later input."""
    tenant = contextvars.ContextVar("tenant", default=None)
    resolver, seen = KeyedResolver(tenant.get), []

    class Protocol(asyncio.Protocol):
        def data_received(self, data):
            seen.append((data, resolver.get()))

        def connection_lost(self, error):
            lost.set()

    async def main():
        ours, theirs = socket.socketpair()
        tenant.set("first")
        resolver.set(first)
        transport, _ = await asyncio.get_running_loop().create_connection(Protocol, sock=ours)
        tenant.set("second")
        resolver.set(second)
        theirs.sendall(b"for the second")
        theirs.close()
        await lost.wait()
        transport.close()
        return resolver.get()

    first, second, lost = StandInLoop("first"), StandInLoop("second"), asyncio.Event()
    assert asyncio.run(main()) is second
    assert seen == [(b"for the second", first)]


@pytest.mark.parametrize("shared", [False, True])
def test_a_forked_child_can_release_and_bind_although_another_thread_held_the_lock(shared):
    program = f"""
        import asyncio, gc, os, threading, weakref
        from ctxpolicy import KeyedResolver
        from ctxpolicy.testing import StandInLoop

        resolver = KeyedResolver(lambda: "a", shared={shared})
        inherited = resolver.bindings.lease(asyncio.SelectorEventLoop)
        held, done = threading.Event(), threading.Event()

        def hold():
            with resolver._locks.change, resolver._locks.lease, resolver._everywhere.lock:
                held.set()
                done.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()
        child = os.fork()
        if child == 0:
            resolver.release("a")
            gc.collect()
            resolver.bindings.lease(asyncio.SelectorEventLoop).close()
            os._exit(inherited.is_closed())
        done.set()
        holder.join()
        assert os.waitpid(child, 0)[1] == 0
        assert resolver.get() is inherited
        inherited.close()
    """
    # From 3.12 on, Python warns about a fork in a process with threads.
    run_program(textwrap.dedent(program), flags=("-W", "error", "-W", "ignore:This process:DeprecationWarning"))
