"""explain() says beforehand what asyncio does then, and does nothing itself."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import json
import os
import threading
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import (
    ChainResolver,
    ContextPolicy,
    ContextResolver,
    ContextVarResolver,
    DelegatingResolver,
    Explanation,
    KeyedResolver,
    TaskResolver,
    ThreadResolver,
    explain,
    install,
    using,
)
from ctxpolicy._asyncio.capabilities import CREATES_IMPLICITLY, PolicyBase
from ctxpolicy._asyncio.host import host
from ctxpolicy._loops.lease import open_leases
from tests.support.policies import asyncio_alone, asyncios_own, in_force, in_thread, uvloops_own

MISSING = ("asyncio", "error", "create")


def foretell() -> Explanation:
    """Explain, and see that neither a warning nor a difference comes of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = explain()
        assert explain() == first
    json.dumps(first.as_dict())
    assert str(first).startswith(f"asyncio.get_event_loop() {first.answer}\n")
    return first


def come_true() -> tuple[Explanation, AbstractEventLoop | None]:
    """Explain, then call ``get_event_loop()``, and see that it does what was said; return the loop that it gave."""
    told = foretell()
    error, loop = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            loop = asyncio.get_event_loop()
        except Exception as raised:  # noqa: BLE001 - whatever is raised is compared
            error = f"{type(raised).__name__}: {raised}"
    assert (told.answer.kind == "error", told.answer.error) == (error is not None, error)
    assert told.answer.loop in (None, repr(loop))
    assert told.answer.kind in ("error", "made") or told.answer.loop == repr(loop)
    assert [warning.category.__name__ for warning in caught] == list(filter(None, [told.answer.warning]))
    return told, loop


@pytest.fixture(autouse=True)
def leases_end_with_the_test() -> Iterator[None]:
    """End what is leased here: the collector would, in an order of its own."""
    before = open_leases()
    yield
    for lease in open_leases():
        if lease not in before:
            lease.release()


@pytest.fixture
def loop() -> Iterator[AbstractEventLoop]:
    """A loop of asyncio's own kind, bound to nothing."""
    loop = PolicyBase._loop_factory()
    yield loop
    loop.close()


@pytest.mark.parametrize("missing", MISSING)
def test_it_foretells_what_is_done_where_no_loop_is_bound(resolver, missing):
    with install(resolver, missing=missing):
        told, loop = come_true()
        assert told.missing == missing
        assert told.binding is None
        if missing == "create":
            assert told.answer.kind == "made"
            assert foretell().binding.leased
        elif missing == "asyncio" and CREATES_IMPLICITLY:
            loop.close()
        else:
            assert told.answer.error.startswith("NoCurrentLoopError: There is no current event loop in thread")


@pytest.mark.parametrize("missing", MISSING)
def test_it_foretells_the_loop_that_is_bound(resolver, missing, loop):
    with install(resolver, missing=missing):
        asyncio.set_event_loop(loop)
        told, given = come_true()
        assert given is loop
        assert told.answer.kind == "bound"
        assert told.context == resolver.describe()
        assert (told.binding.loop, told.binding.handed_out, told.binding.leased) == (repr(loop), True, False)
        assert (told.binding.thread, told.binding.process) == (repr(threading.current_thread().name), os.getpid())
        asyncio.set_event_loop(None)


@pytest.mark.parametrize("missing", ["asyncio", "error"])
def test_it_foretells_what_is_done_after_a_loop_was_unbound(resolver, missing, loop):
    with install(resolver, missing=missing):
        asyncio.set_event_loop(loop)
        asyncio.set_event_loop(None)
        assert come_true()[0].answer.kind == "error"


@pytest.mark.parametrize("missing", MISSING)
def test_it_foretells_what_is_done_in_a_thread_that_a_loop_is_carried_to(resolver, missing, loop):
    with install(resolver, missing=missing):
        asyncio.set_event_loop(loop)
        told, given = in_thread(contextvars.copy_context().run, come_true, name="worker")
        assert told.thread == "'worker'"
        if told.binding is not None:
            assert told.binding.handed_out == (given is loop)
        asyncio.set_event_loop(None)


def test_a_loop_of_another_thread_is_shown_with_its_owner_though_it_is_not_handed_out(loop):
    with install(ContextVarResolver()):
        asyncio.set_event_loop(loop)
        told, _ = in_thread(contextvars.copy_context().run, come_true)
        assert told.answer.kind == "error"
        assert (told.binding.loop, told.binding.handed_out) == (repr(loop), False)
        assert told.binding.thread == repr(threading.main_thread().name)
        assert f"{told.binding.loop}\n              bound in thread 'MainThread' of process {os.getpid()}" in str(told)
        assert "not handed out here" in str(told)


def test_inside_a_coroutine_the_running_loop_is_the_answer_and_the_policys_own_is_told_too(loop):
    async def main() -> Explanation:
        asyncio.set_event_loop(loop)
        told, given = come_true()
        assert given is asyncio.get_running_loop()
        return told

    with install(ContextVarResolver()):
        told = asyncio.run(main())
    assert told.answer.kind == "running"
    assert (told.policy_answer.kind, told.policy_answer.loop) == ("bound", repr(loop))
    assert f"policy alone  returns {loop!r}" in str(told)


def test_outside_any_coroutine_the_policys_answer_is_told_once():
    told = foretell()
    assert told.answer is told.policy_answer
    assert "policy alone" not in str(told)


def test_before_any_policy_was_made_it_makes_none():
    with in_force(None):
        told = foretell()
        assert host.in_force() is None
        assert (told.policy, told.resolver, told.missing, told.loop_factory) == (
            "asyncio's own", None, None, "asyncio's own"
        )  # fmt: skip
        _, loop = come_true()
        if loop is not None:
            loop.close()


@pytest.mark.parametrize("own", [asyncio_alone, lambda: in_force(asyncios_own())], ids=["alone", "default policy"])
def test_asyncios_own_policy_is_foretold_in_every_state(loop, own):
    with own():
        assert in_thread(come_true)[0].answer.kind == "error"
        _, made = come_true()
        if made is not None:
            made.close()
        asyncio.set_event_loop(loop)
        told, given = come_true()
        assert given is loop
        assert (told.binding.loop, told.binding.thread) == (repr(loop), repr(threading.current_thread().name))
        assert told.binding.process is None
        asyncio.set_event_loop(None)
        assert come_true()[0].answer.kind == "error"


def test_a_policy_that_answers_as_asyncios_own_is_foretold_too(loop):
    class Quieter(PolicyBase):  # as uvloop's and most others
        def new_event_loop(self) -> AbstractEventLoop:
            return loop

    with in_force(Quieter()):
        told, given = come_true()
        assert given in (None, loop)
        assert told.policy.endswith("Quieter")
        assert told.loop_factory == f"{told.policy}.new_event_loop"
        assert in_thread(come_true)[0].answer.kind == "error"


def test_uvloops_policy_is_foretold_too():
    with in_force(uvloops_own()):
        told, loop = come_true()
        assert told.policy.startswith("uvloop.")
        assert told.loop_factory == f"{told.policy}.new_event_loop"
        assert in_thread(come_true)[0].answer.kind == "error"
        if loop is not None:
            assert type(loop).__module__ == "uvloop"
            loop.close()


class Stubborn(PolicyBase):
    """Has a way of its own, as tornado's AnyThreadEventLoopPolicy, and is not to be asked."""

    def get_event_loop(self) -> AbstractEventLoop:
        raise AssertionError("asked")


class Plain:
    """A policy that derives from nothing."""

    def get_event_loop(self) -> AbstractEventLoop:
        raise AssertionError("asked")

    set_event_loop = new_event_loop = get_event_loop


@pytest.mark.parametrize("policy", [Stubborn(), Plain()], ids=lambda policy: type(policy).__name__)
def test_a_policy_with_a_way_of_its_own_is_not_asked(policy):
    with in_force(policy) if isinstance(policy, PolicyBase) else forced(policy):
        told = foretell()
    assert told.answer.kind == "unknown"
    assert type(policy).__name__ in told.policy
    assert type(policy).__name__ in told.answer.because[-1]
    assert told.context == "what that policy takes for one"


def forced(policy: Any) -> Any:
    """Put in force what asyncio's own function would refuse."""

    class Forced:
        def __enter__(self) -> None:
            self.former = host.in_force()
            host.force(policy)

        def __exit__(self, *_: object) -> None:
            host.force(self.former)

    return Forced()


def test_what_a_policy_with_a_way_of_its_own_keeps_is_shown(loop):
    with in_force(Stubborn()):
        asyncio.set_event_loop(loop)
        binding = foretell().binding
        assert (binding.loop, binding.handed_out, binding.thread) == (repr(loop), False, None)
        assert "bound in a thread that is not known" in str(binding)


def test_a_subclass_of_ours_with_a_way_of_its_own_is_not_asked(loop):
    class Own(ContextPolicy):
        def get_event_loop(self) -> AbstractEventLoop:
            raise AssertionError("asked")

        def new_event_loop(self) -> AbstractEventLoop:
            return super().new_event_loop()

    with install(Own(ContextVarResolver())):
        told = foretell()
        assert told.answer.kind == "unknown"
        assert told.resolver == "ContextVarResolver"
        assert told.loop_factory.endswith("Own.new_event_loop")


def test_the_place_where_a_lease_was_needed_is_told():
    with install(ThreadResolver(), missing="create"):
        asyncio.get_event_loop()
        binding = foretell().binding
    assert binding.leased
    assert "test_explain.py" in binding.bound_at
    assert binding.bound_at.endswith("test_the_place_where_a_lease_was_needed_is_told")
    assert binding.made_at == binding.bound_at


def test_where_a_loop_was_bound_is_told_if_it_was_recorded(loop):
    resolver = ContextVarResolver()
    resolver.traced = True
    with install(resolver):
        asyncio.set_event_loop(loop)
        assert foretell().binding.bound_at.endswith("test_where_a_loop_was_bound_is_told_if_it_was_recorded")


def test_a_resolver_that_knows_no_bindings_still_has_its_loop_shown(loop):
    class Simple(ContextResolver):
        bound = None

        def get(self) -> AbstractEventLoop | None:
            return self.bound

        def set(self, loop: AbstractEventLoop | None) -> None:
            self.bound = loop

    with install(Simple()):
        assert foretell().binding is None
        asyncio.set_event_loop(loop)
        binding = come_true()[0].binding
        assert (binding.loop, binding.handed_out, binding.thread, binding.process) == (repr(loop), True, None, None)


@pytest.mark.skipif(not CREATES_IMPLICITLY, reason="this Python's asyncio makes no loop unasked")
def test_the_loop_that_was_made_unasked_before_is_foretold_in_the_next_context():
    with install(ContextVarResolver()):
        _, loop = contextvars.Context().run(come_true)
        told, again = contextvars.Context().run(come_true)
        assert again is loop
        assert (told.answer.kind, told.answer.loop, told.answer.warning) == ("made", repr(loop), None)
        loop.close()
        _, another = contextvars.Context().run(come_true)
        assert another is not loop
        another.close()


def test_inside_a_using_block_its_resolver_is_shown():
    with install(ContextVarResolver(), missing="create"):
        with using(ThreadResolver()):
            told, _ = come_true()
            assert told.resolver == "ThreadResolver, chosen by using()"
            assert told.context.startswith("thread ")
        assert foretell().resolver == "ContextVarResolver"


def test_a_using_block_without_installation_is_shown_where_it_holds_and_passed_by_elsewhere():
    with asyncio_alone(), using(TaskResolver()):
        told, loop = come_true()
        assert (told.policy, told.resolver) == ("the one of using() blocks", "TaskResolver, chosen by using()")
        if loop is not None:
            loop.close()
        told, _ = in_thread(contextvars.Context().run, come_true)
        assert told.policy == "asyncio's own, which the one of using() blocks passes on to"
        assert (told.resolver, told.answer.kind) == (None, "error")


def test_a_using_block_over_a_policy_with_a_way_of_its_own_does_not_ask_that_either():
    with in_force(Stubborn()), using(TaskResolver()):
        assert contextvars.Context().run(foretell).answer.kind == "unknown"


def test_a_chain_is_shown_with_the_resolver_that_applies():
    with install(ChainResolver(TaskResolver(), ThreadResolver()), missing="create"):
        told, _ = come_true()
        assert told.resolver == "ChainResolver -> ThreadResolver"

        async def main() -> str | None:
            return explain().resolver

        assert asyncio.run(main()) == "ChainResolver -> TaskResolver"


@pytest.mark.parametrize("missing", MISSING)
def test_a_chain_that_applies_nowhere_is_foretold_to_fail(missing):
    with install(ChainResolver(ChainResolver(TaskResolver(), KeyedResolver(lambda: None))), missing=missing):
        told, _ = come_true()
        assert told.answer.kind == "error"
        assert told.resolver == "ChainResolver, none of whose resolvers applies here"


def test_a_resolver_around_another_is_shown_with_it():
    class Around(DelegatingResolver):
        inner = ThreadResolver()

        def present(self) -> ContextResolver:
            return self.inner

    with install(Around(), missing="create"):
        told, _ = come_true()
        assert told.resolver.endswith("Around -> ThreadResolver")


class Broken(DelegatingResolver):
    def get(self) -> AbstractEventLoop | None:
        raise LookupError("no backend")

    def set(self, loop: AbstractEventLoop | None) -> None: ...

    def binding(self) -> Any:
        raise LookupError("no backend")

    def present(self) -> Any:
        raise LookupError("no factory")


def test_a_resolver_that_fails_is_foretold_to():
    with install(Broken()):
        told, _ = come_true()
    assert told.answer.error.startswith("ResolverError: resolver Broken: get() raised LookupError('no backend')")
    assert told.binding is None
    assert told.loop_factory == "(cannot be told: LookupError('no factory'))"


def test_a_resolver_that_gives_something_else_is_foretold_to_fail():
    class Wrong(Broken):
        def get(self) -> Any:
            return "loop"

    with install(Wrong()):
        assert come_true()[0].answer.error.startswith("ResolverError: resolver Wrong: get() returned 'loop'")


def test_a_resolver_that_cannot_name_its_context_is_foretold_to_fail_where_its_name_is_needed():
    class Speechless(Broken):
        def get(self) -> AbstractEventLoop | None:
            return None

        def describe(self) -> str:
            raise LookupError("no words")

    with install(Speechless(), missing="error"):
        told, _ = come_true()
    assert told.answer.error == "LookupError: no words"
    assert told.context == "(cannot be told: LookupError('no words'))"


def test_a_loop_that_cannot_be_printed_is_no_obstacle(loop, monkeypatch):
    monkeypatch.setattr(type(loop), "__repr__", lambda self: 1 / 0)
    with install(ThreadResolver()):
        asyncio.set_event_loop(loop)
        assert foretell().answer.loop == "(cannot be told: ZeroDivisionError('division by zero'))"


class Shop:
    def loop(self) -> AbstractEventLoop:
        return PolicyBase._loop_factory()


some_factory = functools.partial(asyncio.SelectorEventLoop)


@pytest.mark.parametrize(
    ("factory", "name"),
    [
        (None, f"{PolicyBase._loop_factory.__module__}.{PolicyBase._loop_factory.__qualname__}"),
        ("selector", "asyncio.unix_events._UnixSelectorEventLoop"),
        (Shop().loop, f"{__name__}.Shop.loop"),
        (Shop.loop, f"{__name__}.Shop.loop"),
        (some_factory, repr(some_factory)),
    ],
    ids=["none", "a name", "a method", "a function", "neither"],
)
def test_the_loop_factory_in_use_is_named(factory, name):
    with install(ThreadResolver(), loop_factory=factory):
        assert foretell().loop_factory == name


def test_the_resolvers_own_factory_is_named():
    class Own(ThreadResolver):
        def new(self) -> AbstractEventLoop:
            return super().new()

    with install(Own()):
        assert foretell().loop_factory.endswith("Own.new")


def test_the_text_and_the_data_say_all_there_is():
    with install(ThreadResolver(), missing="create"):
        told = foretell()
    for line in (
        f"here          thread {threading.current_thread().name!r} of process {os.getpid()}",
        f"Python        {told.python}",
        f"host          {told.host}",
        "policy        ContextPolicy",
        "missing       create",
        "resolver      ThreadResolver",
        f"context       thread {threading.current_thread().name!r}",
        "binding       none",
        f"loop factory  {told.loop_factory}",
        "  and missing is 'create'",
    ):
        assert line in str(told).splitlines()
    data = json.loads(json.dumps(told.as_dict()))
    assert data.keys() == vars(told).keys()
    assert (data["policy"], data["binding"]) == ("ContextPolicy", None)
    assert data["answer"] == {
        "kind": "made", "because": list(told.answer.because), "loop": None, "error": None, "warning": None
    }  # fmt: skip
    assert ctxpolicy.explain is explain


def test_it_sets_no_policy_and_leaves_no_thread_known():
    import _thread

    seen: list[Explanation] = []
    done = _thread.allocate_lock()
    done.acquire()

    def work() -> None:
        seen.append(explain())
        seen.append(len(threading.enumerate()))
        done.release()

    before = len(threading.enumerate())
    with install(ThreadResolver()):
        _thread.start_new_thread(work, ())
        done.acquire()
    told, threads = seen
    assert told.thread.startswith("with ident ")
    assert threads == before
