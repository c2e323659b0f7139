"""explain() predicts what asyncio does, and does nothing itself."""

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
from tests.support.policies import asyncio_alone, default_policy, in_force, in_thread, uvloop_policy

MISSING = ("asyncio", "error", "create")


def checked_explanation() -> Explanation:
    """Call explain(), and check that it gives no warning and changes nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = explain()
        assert explain() == first
    json.dumps(first.as_dict())
    assert str(first).startswith(f"asyncio.get_event_loop() {first.answer}\n")
    return first


def explain_and_call() -> tuple[Explanation, AbstractEventLoop | None]:
    """Call explain() and ``get_event_loop()``, check that the prediction was right, and return both results."""
    report = checked_explanation()
    error, loop = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            loop = asyncio.get_event_loop()
        except Exception as raised:  # noqa: BLE001 - every error is compared
            error = f"{type(raised).__name__}: {raised}"
    assert (report.answer.kind == "error", report.answer.error) == (error is not None, error)
    assert report.answer.loop in (None, repr(loop))
    assert report.answer.kind in ("error", "made") or report.answer.loop == repr(loop)
    assert [warning.category.__name__ for warning in caught] == list(filter(None, [report.answer.warning]))
    return report, loop


@pytest.fixture(autouse=True)
def leases_end_with_the_test() -> Iterator[None]:
    """End the leases of each test; the garbage collector would end them in an arbitrary order."""
    before = open_leases()
    yield
    for lease in open_leases():
        if lease not in before:
            lease.release()


@pytest.fixture
def loop() -> Iterator[AbstractEventLoop]:
    """A loop of asyncio's own kind that is bound to no context."""
    loop = PolicyBase._loop_factory()
    yield loop
    loop.close()


@pytest.mark.parametrize("missing", MISSING)
def test_it_predicts_the_result_if_no_loop_is_bound(resolver, missing):
    with install(resolver, missing=missing):
        report, loop = explain_and_call()
        assert report.missing == missing
        assert report.binding is None
        if missing == "create":
            assert report.answer.kind == "made"
            assert checked_explanation().binding.leased
        elif missing == "asyncio" and CREATES_IMPLICITLY:
            loop.close()
        else:
            assert report.answer.error.startswith("NoCurrentLoopError: There is no current event loop in thread")


@pytest.mark.parametrize("missing", MISSING)
def test_it_predicts_the_loop_that_is_bound(resolver, missing, loop):
    with install(resolver, missing=missing):
        asyncio.set_event_loop(loop)
        report, given = explain_and_call()
        assert given is loop
        assert report.answer.kind == "bound"
        assert report.context == resolver.describe()
        assert (report.binding.loop, report.binding.handed_out, report.binding.leased) == (repr(loop), True, False)
        assert (report.binding.thread, report.binding.process) == (repr(threading.current_thread().name), os.getpid())
        asyncio.set_event_loop(None)


@pytest.mark.parametrize("missing", ["asyncio", "error"])
def test_it_predicts_the_result_after_a_loop_was_unbound(resolver, missing, loop):
    with install(resolver, missing=missing):
        asyncio.set_event_loop(loop)
        asyncio.set_event_loop(None)
        assert explain_and_call()[0].answer.kind == "error"


@pytest.mark.parametrize("missing", MISSING)
def test_it_predicts_the_result_in_a_thread_to_which_the_context_is_copied(resolver, missing, loop):
    with install(resolver, missing=missing):
        asyncio.set_event_loop(loop)
        report, given = in_thread(contextvars.copy_context().run, explain_and_call, name="worker")
        assert report.thread == "'worker'"
        if report.binding is not None:
            assert report.binding.handed_out == (given is loop)
        asyncio.set_event_loop(None)


def test_a_loop_of_another_thread_is_shown_with_its_owner_although_it_is_not_handed_out(loop):
    with install(ContextVarResolver()):
        asyncio.set_event_loop(loop)
        report, _ = in_thread(contextvars.copy_context().run, explain_and_call)
        assert report.answer.kind == "error"
        assert (report.binding.loop, report.binding.handed_out) == (repr(loop), False)
        assert report.binding.thread == repr(threading.main_thread().name)
        assert f"{report.binding.loop}\n              bound in thread 'MainThread' of process {os.getpid()}" in str(
            report
        )
        assert "not handed out here" in str(report)


def test_inside_a_coroutine_the_running_loop_is_the_answer_and_the_policys_answer_is_given_too(loop):
    async def main() -> Explanation:
        asyncio.set_event_loop(loop)
        report, given = explain_and_call()
        assert given is asyncio.get_running_loop()
        return report

    with install(ContextVarResolver()):
        report = asyncio.run(main())
    assert report.answer.kind == "running"
    assert (report.policy_answer.kind, report.policy_answer.loop) == ("bound", repr(loop))
    assert f"policy alone  returns {loop!r}" in str(report)


def test_outside_any_coroutine_the_policys_answer_is_given_once():
    report = checked_explanation()
    assert report.answer is report.policy_answer
    assert "policy alone" not in str(report)


def test_it_creates_no_policy_if_there_is_none():
    with in_force(None):
        report = checked_explanation()
        assert host.in_force() is None
        assert (report.policy, report.resolver, report.missing, report.loop_factory) == (
            "asyncio's own", None, None, "asyncio's own"
        )  # fmt: skip
        _, loop = explain_and_call()
        if loop is not None:
            loop.close()


@pytest.mark.parametrize("own", [asyncio_alone, lambda: in_force(default_policy())], ids=["alone", "default policy"])
def test_asyncios_own_policy_is_predicted_in_every_state(loop, own):
    with own():
        assert in_thread(explain_and_call)[0].answer.kind == "error"
        _, made = explain_and_call()
        if made is not None:
            made.close()
        asyncio.set_event_loop(loop)
        report, given = explain_and_call()
        assert given is loop
        assert (report.binding.loop, report.binding.thread) == (repr(loop), repr(threading.current_thread().name))
        assert report.binding.process is None
        asyncio.set_event_loop(None)
        assert explain_and_call()[0].answer.kind == "error"


def test_a_policy_that_answers_as_asyncios_own_is_predicted_too(loop):
    class Quieter(PolicyBase):  # like uvloop's policy and most others
        def new_event_loop(self) -> AbstractEventLoop:
            return loop

    with in_force(Quieter()):
        report, given = explain_and_call()
        assert given in (None, loop)
        assert report.policy.endswith("Quieter")
        assert report.loop_factory == f"{report.policy}.new_event_loop"
        assert in_thread(explain_and_call)[0].answer.kind == "error"


def test_uvloops_policy_is_predicted_too():
    with in_force(uvloop_policy()):
        report, loop = explain_and_call()
        assert report.policy.startswith("uvloop.")
        assert report.loop_factory == f"{report.policy}.new_event_loop"
        assert in_thread(explain_and_call)[0].answer.kind == "error"
        if loop is not None:
            assert type(loop).__module__ == "uvloop"
            loop.close()


class Stubborn(PolicyBase):
    """A policy that overrides get_event_loop(), as tornado's AnyThreadEventLoopPolicy. explain() must not call it."""

    def get_event_loop(self) -> AbstractEventLoop:
        raise AssertionError("asked")


class Plain:
    """A policy with no base class."""

    def get_event_loop(self) -> AbstractEventLoop:
        raise AssertionError("asked")

    set_event_loop = new_event_loop = get_event_loop


@pytest.mark.parametrize("policy", [Stubborn(), Plain()], ids=lambda policy: type(policy).__name__)
def test_get_event_loop_of_an_unknown_policy_is_not_called(policy):
    with in_force(policy) if isinstance(policy, PolicyBase) else forced(policy):
        report = checked_explanation()
    assert report.answer.kind == "unknown"
    assert type(policy).__name__ in report.policy
    assert type(policy).__name__ in report.answer.because[-1]
    assert report.context == "only that policy knows its contexts"


def forced(policy: Any) -> Any:
    """Put a policy in force that asyncio's own function would refuse."""

    class Forced:
        def __enter__(self) -> None:
            self.previous = host.in_force()
            host.force(policy)

        def __exit__(self, *_: object) -> None:
            host.force(self.previous)

    return Forced()


def test_the_loop_that_an_unknown_policy_keeps_is_shown(loop):
    with in_force(Stubborn()):
        asyncio.set_event_loop(loop)
        binding = checked_explanation().binding
        assert (binding.loop, binding.handed_out, binding.thread) == (repr(loop), False, None)
        assert "bound in an unknown thread" in str(binding)


def test_get_event_loop_of_a_subclass_of_context_policy_is_not_called(loop):
    class Own(ContextPolicy):
        def get_event_loop(self) -> AbstractEventLoop:
            raise AssertionError("asked")

        def new_event_loop(self) -> AbstractEventLoop:
            return super().new_event_loop()

    with install(Own(ContextVarResolver())):
        report = checked_explanation()
        assert report.answer.kind == "unknown"
        assert report.resolver == "ContextVarResolver"
        assert report.loop_factory.endswith("Own.new_event_loop")


def test_the_place_where_a_lease_was_needed_is_given():
    with install(ThreadResolver(), missing="create"):
        asyncio.get_event_loop()
        binding = checked_explanation().binding
    assert binding.leased
    assert "test_explain.py" in binding.bound_at
    assert binding.bound_at.endswith("test_the_place_where_a_lease_was_needed_is_given")
    assert binding.made_at == binding.bound_at


def test_the_place_where_a_loop_was_bound_is_given_if_it_was_recorded(loop):
    resolver = ContextVarResolver()
    resolver.traced = True
    with install(resolver):
        asyncio.set_event_loop(loop)
        assert checked_explanation().binding.bound_at.endswith(
            "test_the_place_where_a_loop_was_bound_is_given_if_it_was_recorded"
        )


def test_the_loop_of_a_resolver_without_bindings_is_shown_too(loop):
    class Simple(ContextResolver):
        bound = None

        def get(self) -> AbstractEventLoop | None:
            return self.bound

        def set(self, loop: AbstractEventLoop | None) -> None:
            self.bound = loop

    with install(Simple()):
        assert checked_explanation().binding is None
        asyncio.set_event_loop(loop)
        binding = explain_and_call()[0].binding
        assert (binding.loop, binding.handed_out, binding.thread, binding.process) == (repr(loop), True, None, None)


@pytest.mark.skipif(not CREATES_IMPLICITLY, reason="asyncio of this Python creates no loop implicitly")
def test_a_loop_that_was_created_implicitly_is_predicted_in_the_next_context():
    with install(ContextVarResolver()):
        _, loop = contextvars.Context().run(explain_and_call)
        report, again = contextvars.Context().run(explain_and_call)
        assert again is loop
        assert (report.answer.kind, report.answer.loop, report.answer.warning) == ("made", repr(loop), None)
        loop.close()
        _, another = contextvars.Context().run(explain_and_call)
        assert another is not loop
        another.close()


def test_inside_a_using_block_its_resolver_is_shown():
    with install(ContextVarResolver(), missing="create"):
        with using(ThreadResolver()):
            report, _ = explain_and_call()
            assert report.resolver == "ThreadResolver, set by using()"
            assert report.context.startswith("thread ")
        assert checked_explanation().resolver == "ContextVarResolver"


def test_a_using_block_without_installation_is_shown_only_in_its_own_context():
    with asyncio_alone(), using(TaskResolver()):
        report, loop = explain_and_call()
        assert (report.policy, report.resolver) == ("the policy of using() blocks", "TaskResolver, set by using()")
        if loop is not None:
            loop.close()
        report, _ = in_thread(contextvars.Context().run, explain_and_call)
        assert report.policy == "asyncio's own, to which the policy of using() blocks passes on"
        assert (report.resolver, report.answer.kind) == (None, "error")


def test_get_event_loop_of_an_unknown_policy_under_a_using_block_is_not_called_either():
    with in_force(Stubborn()), using(TaskResolver()):
        assert contextvars.Context().run(checked_explanation).answer.kind == "unknown"


def test_a_chain_is_shown_with_the_resolver_that_applies():
    with install(ChainResolver(TaskResolver(), ThreadResolver()), missing="create"):
        report, _ = explain_and_call()
        assert report.resolver == "ChainResolver -> ThreadResolver"

        async def main() -> str | None:
            return explain().resolver

        assert asyncio.run(main()) == "ChainResolver -> TaskResolver"


@pytest.mark.parametrize("missing", MISSING)
def test_a_chain_that_applies_nowhere_is_predicted_to_fail(missing):
    with install(ChainResolver(ChainResolver(TaskResolver(), KeyedResolver(lambda: None))), missing=missing):
        report, _ = explain_and_call()
        assert report.answer.kind == "error"
        assert report.resolver == "ChainResolver, none of whose resolvers applies here"


def test_a_delegating_resolver_is_shown_with_the_resolver_inside_it():
    class Around(DelegatingResolver):
        inner = ThreadResolver()

        def present(self) -> ContextResolver:
            return self.inner

    with install(Around(), missing="create"):
        report, _ = explain_and_call()
        assert report.resolver.endswith("Around -> ThreadResolver")


class Nameless:
    """A loop factory that cannot be asked for its name."""

    def __call__(self) -> AbstractEventLoop:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        raise LookupError("no name") if name == "__qualname__" else AttributeError(name)


class Broken(ContextResolver):
    loop_factory = Nameless()

    def get(self) -> AbstractEventLoop | None:
        raise LookupError("no backend")

    def set(self, loop: AbstractEventLoop | None) -> None: ...

    def binding(self) -> Any:
        raise LookupError("no backend")


def test_a_resolver_that_raises_is_predicted_to_fail():
    with install(Broken()):
        report, _ = explain_and_call()
    assert report.answer.error.startswith("ResolverError: resolver Broken: get() raised LookupError('no backend')")
    assert report.binding is None
    assert report.loop_factory == "(cannot be formatted: LookupError('no name'))"


def test_a_resolver_that_returns_something_else_is_predicted_to_fail():
    class Wrong(Broken):
        def get(self) -> Any:
            return "loop"

    with install(Wrong()):
        assert explain_and_call()[0].answer.error.startswith("ResolverError: resolver Wrong: get() returned 'loop'")


def test_a_resolver_that_cannot_name_its_context_is_predicted_to_fail_if_the_name_is_needed():
    class Speechless(Broken):
        def get(self) -> AbstractEventLoop | None:
            return None

        def describe(self) -> str:
            raise LookupError("no words")

    with install(Speechless(), missing="error"):
        report, _ = explain_and_call()
    assert report.answer.error == "LookupError: no words"
    assert report.context == "(cannot be formatted: LookupError('no words'))"


def test_a_loop_whose_repr_raises_is_explained_too(loop, monkeypatch):
    monkeypatch.setattr(type(loop), "__repr__", lambda self: 1 / 0)
    with install(ThreadResolver()):
        asyncio.set_event_loop(loop)
        assert checked_explanation().answer.loop == "(cannot be formatted: ZeroDivisionError('division by zero'))"


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
        assert checked_explanation().loop_factory == name


def test_the_resolvers_own_factory_is_named():
    class Own(ThreadResolver):
        def new(self) -> AbstractEventLoop:
            return super().new()

    with install(Own()):
        assert checked_explanation().loop_factory.endswith("Own.new")


def test_the_text_and_the_data_are_complete():
    with install(ThreadResolver(), missing="create"):
        report = checked_explanation()
    for line in (
        f"here          thread {threading.current_thread().name!r} of process {os.getpid()}",
        f"Python        {report.python}",
        f"host          {report.host}",
        "policy        ContextPolicy",
        "missing       create",
        "resolver      ThreadResolver",
        f"context       thread {threading.current_thread().name!r}",
        "binding       none",
        f"loop factory  {report.loop_factory}",
        "  and missing is 'create'",
    ):
        assert line in str(report).splitlines()
    data = json.loads(json.dumps(report.as_dict()))
    assert data.keys() == vars(report).keys()
    assert (data["policy"], data["binding"]) == ("ContextPolicy", None)
    assert data["answer"] == {
        "kind": "made", "because": list(report.answer.because), "loop": None, "error": None, "warning": None
    }  # fmt: skip
    assert ctxpolicy.explain is explain


def test_it_adds_no_thread_to_the_threading_module():
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
    report, threads = seen
    assert report.thread.startswith("with ident ")
    assert threads == before
