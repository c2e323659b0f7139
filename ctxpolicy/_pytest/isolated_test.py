"""The isolation of one test."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ctxpolicy._asyncio.host import host
from ctxpolicy._loops.lease import Lease
from ctxpolicy._policy.install import Installation
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._pytest.fixture_resources import FixtureResources
from ctxpolicy._pytest.leaks import LeakCheck
from ctxpolicy._pytest.running_loop import RunningLoopGuard
from ctxpolicy._pytest.task_owners import set_running_test
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["IsolatedTest"]


class IsolatedTest:
    """A test that is isolated, from before its fixtures are set up until after they are torn down.

    Attributes:
        policy: the policy in force in the test.
        fixtures: the resources that fixtures of a wider scope have created.

    Args:
        guard: unsets a running loop that a fixture of a wider scope has left set.
        installed: whether the policy is already installed for the session.
    """

    def __init__(
        self, policy: ContextPolicy, fixtures: FixtureResources, guard: RunningLoopGuard, installed: bool
    ) -> None:
        self.policy = policy
        self.fixtures = fixtures
        self._guard = guard
        self._running = guard.unset()  # left by a fixture that is still set up; a test's own is unset at its end
        self._outer_policy = host.in_force()
        self._in_fixture = False
        self._installation = None if installed else Installation(policy)
        host.force(policy)
        policy.resolver.bindings.clear()
        self._leak_check = LeakCheck(fixtures, policy, guard)

    def reinstate(self) -> None:
        """Put the test's policy in force again, after a fixture of a wider scope has replaced it."""
        now = host.in_force()
        if now is not self.policy:
            self._outer_policy = now
            host.force(self.policy)

    @contextmanager
    def outside_test(self, add_finalizer: Callable[[Callable[[], object]], None]) -> Iterator[None]:
        """Set up a fixture of a wider scope in the block, as if no test ran.

        Args:
            add_finalizer: adds a function that is called when the fixture is torn down.
        """
        __tracebackhide__ = True
        if self._in_fixture:  # this fixture is requested by another one, which is in such a block already
            with self._restored_binding(add_finalizer):
                yield
            return
        self._in_fixture = True
        test = set_running_test(None)
        now = host.in_force()
        host.force(self._outer_policy)
        try:
            with self.fixtures.recording(), self._restored_binding(add_finalizer):
                yield
        finally:
            self._in_fixture = False
            set_running_test(test)
            self._outer_policy = host.in_force()
            host.force(now)
            self._running = self._guard.unset() or self._running

    def end(self) -> list[str]:
        """End the isolation; return a line for each leak of the test."""
        left = self._leak_check.clean_up()
        if self._installation is not None:
            self._installation.uninstall()
        host.force(self._outer_policy)
        self._guard.restore(self._running)
        return left

    @contextmanager
    def _restored_binding(self, add_finalizer: Callable[[Callable[[], object]], None]) -> Iterator[None]:
        """Restore the previous binding after the block; a lease made in the block ends with the fixture."""
        __tracebackhide__ = True
        kept: list[Lease] = []
        add_finalizer(lambda: _release(kept))
        policy = host.in_force()
        if not isinstance(policy, ContextPolicy):
            yield  # the loops of such a policy are not visible in the test
            return
        resolver = policy.resolver
        previous = resolver.get()
        try:
            yield
        finally:
            if resolver.get() is not previous:
                _restore(resolver, previous, kept)


def _restore(resolver: ContextResolver, previous: AbstractEventLoop | None, kept: list[Lease]) -> None:
    binding = resolver.binding()
    if previous is not None or binding is None:
        resolver.set(previous)
        return
    if binding.lease is not None:
        kept.append(binding.lease)
    resolver.bindings.clear()


def _release(leases: list[Lease]) -> None:
    while leases:
        leases.pop().release()
