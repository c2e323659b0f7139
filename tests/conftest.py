"""Fixtures and hooks for all tests: the fixtures of every built-in resolver, and the guards around each test."""

from __future__ import annotations

import contextvars
import functools
import gc
import signal
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctxpolicy import ContextResolver, Lease
from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.other_policies import is_asyncio_default
from ctxpolicy._asyncio.running import running_loop
from ctxpolicy._loops.lease import open_leases
from ctxpolicy._policy.install import Installation, installations
from ctxpolicy._policy.using import blocks
from tests.support.asyncio_errors import MARKER, AsyncioErrors
from tests.support.policies import collect_copies, collect_garbage
from tests.support.resolver_cases import CASES, ResolverCase

pytest_plugins = ["pytester"]


# On a busy machine the duration of an example means nothing.
settings.register_profile("ctxpolicy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ctxpolicy")

# Seconds for a thread of isolate() to end: it releases its lease after its caller has the result.
_PATIENCE = 10

_asyncio_errors = pytest.StashKey[AsyncioErrors]()


def pytest_configure(config: pytest.Config) -> None:
    """Restore Python's default handling of Ctrl-C, and start to record asyncio's error logs.

    A shell script starts `pytest &` with SIGINT ignored. Python then leaves SIGINT ignored, and every process that a
    test starts inherits this. Tests that press Ctrl-C would fail or hang.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", f"{MARKER}(reason): the test makes asyncio log an error.")
    if sys.implementation.name == "pypy":
        # PyPy finalizes a loop, its lease and its sockets in any order, long after the test that dropped them. The same
        # holds for the coroutine that an interrupted asyncio.Runner has left.
        for unclosed in "unclosed event loop", "unclosed <socket":
            config.addinivalue_line("filterwarnings", f"ignore:{unclosed}:ResourceWarning")
        left = "coroutine 'BaseEventLoop.shutdown_asyncgens' was never awaited"
        config.addinivalue_line("filterwarnings", f"ignore:{left}:RuntimeWarning")
    config.stash[_asyncio_errors] = AsyncioErrors()
    config.stash[_asyncio_errors].attach()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop recording asyncio's error logs."""
    config.stash[_asyncio_errors].detach()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Exclude pytest's own objects from garbage collection.

    Many tests run full collections. Without `gc.freeze()` each one walks the heap of pytest and its plugins. Measured
    on CPython 3.12: the suite takes 449 s of CPU with it and 733 s without. Objects that a test makes are collected and
    counted as before, because only the objects that exist now are frozen.
    """
    _run_a_hypothesis_test()
    gc.collect()
    if hasattr(gc, "freeze"):  # PyPy has none
        gc.freeze()


@settings(max_examples=1, derandomize=True, database=None)
@given(st.none())
def _run_a_hypothesis_test(_: None) -> None:
    """Let Hypothesis make its random generator before `gc.freeze()`.

    Hypothesis asks the garbage collector which objects refer to the generator, and warns if there are none. On CPython
    3.14 and later, the dictionary that refers to the generator would be frozen at that time. This happens only under
    `CI=true`, where Hypothesis selects a profile whose tests are derandomized.
    """


@pytest.fixture(params=CASES.values(), ids=CASES)
def resolver_case(request: pytest.FixtureRequest) -> ResolverCase:
    """Return every built-in resolver in turn: its name, its factory, and the properties of its contexts."""
    case: ResolverCase = request.param
    if case.missing:
        pytest.skip(case.missing)
    return case


@pytest.fixture
def resolver(resolver_case: ResolverCase) -> ContextResolver:
    """Return a new instance of every built-in resolver in turn."""
    return resolver_case.make()


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Run each test in a contextvars context of its own, because a context keeps every variable that was set in it."""
    function = pyfuncitem.obj

    @functools.wraps(function)  # pytest looks for the function's code when it reports a failure
    def in_a_context_of_its_own(**arguments: object) -> object:
        return contextvars.copy_context().run(function, **arguments)

    pyfuncitem.obj = in_a_context_of_its_own
    try:
        return (yield)
    finally:
        pyfuncitem.obj = function


_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Record for the guards whether the test failed: the traceback then keeps the objects of its frames alive."""
    report = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    return report


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail a test during which asyncio logs an error, unless the test has the marker or reads the log itself.

    This hook runs after the teardown of all fixtures. Many errors are logged by finalizers. A test with the marker
    therefore ends with a collection: its late errors must not fail the next test.
    """
    result = yield
    expected = item.get_closest_marker(MARKER) is not None or "caplog" in getattr(item, "fixturenames", ())
    if expected:
        collect_garbage()
    errors = item.config.stash[_asyncio_errors].take()
    if errors and not expected and not item.stash.get(_failed, False):
        pytest.fail("asyncio logged an error (garbage of an earlier test can log too): " + "\n".join(errors), False)
    return result


@pytest.fixture(autouse=True)
def collections_on_demand(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let CPython's garbage collector run only when a test calls it, except in the stress tests.

    The collector finalizes a cycle in the order in which its objects were created. If a collection runs while the cycle
    is still in use, the order changes, and another object closes the loop first: its lease, its task or the loop
    itself. At the time of such a collection, asyncio would warn of an unclosed loop, or a message would lack a task.
    """
    if "stress" in request.node.path.parts or sys.implementation.name == "pypy":
        yield
        return
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a policy, an installation, a running loop or an open lease behind, and clean up."""
    policy, stack, leases = host.in_force(), list(installations.stack), _standing_leases()
    yield
    getattr(request.node, "funcargs", {}).clear()  # otherwise pytest keeps the resolver of this test alive
    collect_copies()
    left = [*_mend_policy(policy), *_mend_installations(stack), *_mend_running_loop()]
    left += _mend_leases(leases)
    if left and not request.node.stash.get(_failed, False):
        pytest.fail("left behind: " + "; ".join(left))


def _mend_policy(previous: object) -> Iterator[str]:
    now = host.in_force()
    if now is not previous and not (is_asyncio_default(now) and is_asyncio_default(previous)):
        host.force(previous)  # type: ignore[arg-type]
        yield f"{now!r} in force in place of {previous!r}"


def _mend_installations(previous: list[Installation]) -> Iterator[str]:
    if installations.stack != previous or blocks.open:
        yield f"installed {installations.stack!r} in place of {previous!r}, {blocks.open} open using blocks"
        installations.stack[:], blocks.open, blocks.temporary = previous, 0, None


def _mend_running_loop() -> Iterator[str]:
    loop = running_loop()
    if loop is not None:
        from asyncio import _set_running_loop

        _set_running_loop(None)
        yield f"the running loop {loop!r}"


def _mend_leases(previous: set[Lease]) -> list[str]:
    deadline = time.monotonic() + _PATIENCE
    while not _standing_leases() <= previous:
        collect_garbage()
        if time.monotonic() > deadline:
            break
        time.sleep(0.001)
    else:
        return []
    left = _standing_leases() - previous
    complaints = [repr(lease) for lease in left]
    for lease in left:
        if lease.loop is not None and not lease.loop.is_running():
            lease.release()
    # PyPy has kept the lease of an empty slot alive for all of these seconds, once in many thousand tests.
    return [] if sys.implementation.name == "pypy" else complaints


def _standing_leases() -> set[Lease]:
    return {lease for lease in open_leases() if lease.stands()}
