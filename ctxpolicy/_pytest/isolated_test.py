"""What holds for one test."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ctxpolicy._asyncio.host import host
from ctxpolicy._loops.lease import Lease
from ctxpolicy._policy.install import Installation
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._pytest.leaks import Owned, Watch
from ctxpolicy._pytest.running_loop import PutAside
from ctxpolicy._pytest.task_owners import making
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["Test"]


class Test:
    """A test that is isolated, from before its fixtures are made to after they are gone.

    Attributes:
        policy: what is in force in it.
        owned: what it finds and is not its own.

    Args:
        markers: takes off a running marker that stands.
        installed: whether the policy is installed already, for the session.
    """

    __test__ = False  # of pytest's own, it is not

    def __init__(self, policy: ContextPolicy, owned: Owned, markers: PutAside, installed: bool) -> None:
        self.policy = policy
        self.owned = owned
        self._markers = markers
        self._marker = markers.take()  # a fixture's that lives on: the test before has been relieved of its own
        self._beneath = host.in_force()
        self._fixture = False
        self._installation = None if installed else Installation(policy)
        host.force(policy)
        policy.resolver.bindings.clear()
        self._watch = Watch(owned, policy, markers)

    def insist(self) -> None:
        """Put the test's policy in force again, where a fixture that is not the test's has put another one."""
        now = host.in_force()
        if now is not self.policy:
            self._beneath = now
            host.force(self.policy)

    @contextmanager
    def beneath(self, at_its_end: Callable[[Callable[[], object]], None]) -> Iterator[None]:
        """Have a fixture that lives longer than the test made in the block, as if no test ran.

        Args:
            at_its_end: takes what is to be called when the fixture is gone.
        """
        __tracebackhide__ = True
        if self._fixture:  # one that another one asks for
            with self._unbinding(at_its_end):
                yield
            return
        self._fixture = True
        test = making(None)
        now = host.in_force()
        host.force(self._beneath)
        try:
            with self.owned.adding(), self._unbinding(at_its_end):
                yield
        finally:
            self._fixture = False
            making(test)
            self._beneath = host.in_force()
            host.force(now)
            self._marker = self._markers.take() or self._marker

    def end(self) -> list[str]:
        """End the test; return a line for each thing that it has left behind."""
        left = self._watch.clean_up()
        if self._installation is not None:
            self._installation.uninstall()
        host.force(self._beneath)
        self._markers.back(self._marker)
        return left

    @contextmanager
    def _unbinding(self, at_its_end: Callable[[Callable[[], object]], None]) -> Iterator[None]:
        """Bind here again what was bound before the block; a lease made in it is the fixture's, and ends with it."""
        __tracebackhide__ = True
        kept: list[Lease] = []
        at_its_end(lambda: _release(kept))
        policy = host.in_force()
        if not isinstance(policy, ContextPolicy):
            yield  # whose loops the test cannot see
            return
        resolver = policy.resolver
        former = resolver.get()
        try:
            yield
        finally:
            if resolver.get() is not former:
                _rebind(resolver, former, kept)


def _rebind(resolver: ContextResolver, former: AbstractEventLoop | None, kept: list[Lease]) -> None:
    binding = resolver.binding()
    if former is not None or binding is None:
        resolver.set(former)
        return
    if binding.lease is not None:
        kept.append(binding.lease)
    resolver.bindings.clear()


def _release(leases: list[Lease]) -> None:
    while leases:
        leases.pop().release()
