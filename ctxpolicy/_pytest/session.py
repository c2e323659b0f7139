"""What isolates tests: the session's policy, and for each test what holds while it runs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from ctxpolicy._asyncio.host import host
from ctxpolicy._policy.install import Installation
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._pytest.creator_threads import noting, noting_births
from ctxpolicy._pytest.isolated_test import Test
from ctxpolicy._pytest.leaks import Owned
from ctxpolicy._pytest.running_loop import PutAside
from ctxpolicy._pytest.settings import Settings
from ctxpolicy._pytest.task_owners import noting_tasks
from ctxpolicy.resolvers._registry import make_resolver
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["Isolation"]


class Isolation:
    """Isolates tests, one after the other.

    The session's policy is in force from the first test to the end, since fixtures that live longer than a test
    (pytest-asyncio's runners too) keep what is in force when they are made and put it back at their end. A test with
    settings of its own has its policy on top of that one, and such fixtures are made beneath it.

    Args:
        settings: the session's.
    """

    def __init__(self, settings: Settings) -> None:
        self.test: Test | None = None
        self._settings = settings
        self._owned = Owned()
        self._policies: dict[tuple[Any, ...], tuple[Settings, ContextPolicy]] = {}
        self._session = ExitStack()
        self._standing: ContextPolicy | None = None
        self._started = False

    def begin(self, settings: Settings) -> Test:
        """Begin a test."""
        if not self._started:
            self._start()
        policy = self._policy(settings)
        self.test = Test(policy, self._owned, self._markers, installed=policy is self._standing)
        return self.test

    def end(self) -> list[str]:
        """End the test, if one has begun; return a line for each thing that it has left behind."""
        test, self.test = self.test, None
        return [] if test is None else test.end()

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def _start(self) -> None:
        self._started = True
        self._session.enter_context(noting_births())
        self._session.enter_context(noting_tasks())
        self._markers = self._session.enter_context(PutAside())
        if self._settings.resolver is not None:
            self._standing = self._policy(self._settings)
            self._session.callback(_uninstall, Installation(self._standing))

    def _policy(self, settings: Settings) -> ContextPolicy:
        """Return the policy for these settings: the same one each time."""
        key = (_identity(settings.resolver), settings.missing, _identity(settings.factory))
        if key not in self._policies:
            resolver = self._resolver(settings.resolver)
            factory = None if settings.factory is None else noting(settings.factory)
            policy = ContextPolicy(resolver, missing=settings.missing, loop_factory=factory)
            self._policies[key] = settings, policy  # with the settings, which keep alive what the key identifies
        return self._policies[key][1]

    def _resolver(self, what: ContextResolver | str) -> ContextResolver:
        # A contextvars context never forgets a variable: one resolver for a name, whatever else a test asks for.
        for settings, policy in self._policies.values():
            if _identity(settings.resolver) == _identity(what):
                return policy.own_resolver
        return make_resolver(what)


def _uninstall(installation: Installation) -> None:
    host.force(installation.policy)  # a fixture may have put another one there, for good
    installation.uninstall()


def _identity(what: Any) -> Any:
    return what if isinstance(what, str) or what is None else id(what)
