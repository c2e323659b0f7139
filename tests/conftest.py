"""What all tests share: the sweep over every built-in resolver, and a guard that none leaves anything to the next."""

from __future__ import annotations

import contextvars
import functools
import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from ctxpolicy import ContextResolver, Lease
from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.other_policies import is_asyncio_default
from ctxpolicy._asyncio.running import running_loop
from ctxpolicy._loops.lease import open_leases
from ctxpolicy._policy import install
from tests.support.policies import collect_copies
from tests.support.resolver_cases import CASES, ResolverCase

pytest_plugins = ["pytester"]


# How long an example takes says nothing on a busy machine.
settings.register_profile("ctxpolicy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ctxpolicy")


@pytest.fixture(params=CASES.values(), ids=CASES)
def resolver_case(request: pytest.FixtureRequest) -> ResolverCase:
    """Every built-in resolver in turn: its name, what makes one, and what it says of its contexts."""
    case: ResolverCase = request.param
    if case.missing:
        pytest.skip(case.missing)
    return case


@pytest.fixture
def resolver(resolver_case: ResolverCase) -> ContextResolver:
    """A fresh instance of every built-in resolver in turn."""
    return resolver_case.make()


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Run each test in a contextvars context of its own: such a context never forgets a variable that was set in it."""
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
    """Note whether the test failed, for the guard: a traceback keeps alive what the frames hold."""
    report = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    return report


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a policy, an installation, a running marker or an open lease behind, and mend it."""
    policy, stack, leases = host.in_force(), list(install._state.stack), _standing_leases()
    yield
    getattr(request.node, "funcargs", {}).clear()  # else pytest keeps this test's resolver past this end of it
    collect_copies()
    left = [*_mend_policy(policy), *_mend_installations(stack), *_mend_running_marker()]
    left += _mend_leases(leases)
    if left and not request.node.stash.get(_failed, False):
        pytest.fail("left behind: " + "; ".join(left))


def _mend_policy(previous: object) -> Iterator[str]:
    now = host.in_force()
    if now is not previous and not (is_asyncio_default(now) and is_asyncio_default(previous)):
        host.force(previous)  # type: ignore[arg-type]
        yield f"{now!r} in force in place of {previous!r}"


def _mend_installations(previous: list[install.Installation]) -> Iterator[str]:
    state = install._state
    if state.stack != previous or state.blocks:
        yield f"installed {state.stack!r} in place of {previous!r}, {state.blocks} open using blocks"
        state.stack[:], state.blocks, state.dispatch = previous, 0, None


def _mend_running_marker() -> Iterator[str]:
    loop = running_loop()
    if loop is not None:
        from asyncio import _set_running_loop

        _set_running_loop(None)
        yield f"the running marker of {loop!r}"


def _mend_leases(previous: set[Lease]) -> list[str]:
    for _ in range(4):  # a cycle with finalizers takes PyPy several rounds
        if _standing_leases() <= previous:
            return []
        gc.collect()
    left = _standing_leases() - previous
    complaints = [repr(lease) for lease in left]
    for lease in left:
        if lease.loop is not None and not lease.loop.is_running():
            lease.release()
    return complaints


def _standing_leases() -> set[Lease]:
    return {lease for lease in open_leases() if lease.stands()}
