"""The isolation of a test session: the session's policy, and the isolated tests one after the other."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from ctxpolicy._asyncio.host import host
from ctxpolicy._policy.install import Installation
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._pytest.creator_threads import recording_creator_threads, recording_factory
from ctxpolicy._pytest.fixture_resources import FixtureResources
from ctxpolicy._pytest.isolated_test import IsolatedTest
from ctxpolicy._pytest.running_loop import RunningLoopGuard
from ctxpolicy._pytest.settings import Settings
from ctxpolicy._pytest.task_owners import recording_task_owners
from ctxpolicy.resolvers._registry import make_resolver
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["IsolatedSession"]


class IsolatedSession:
    """Isolates the tests of a session, one after the other.

    The session's policy is in force from the first test to the end of the session. The reason: a fixture of a wider
    scope (such as a runner of pytest-asyncio) remembers the policy in force at its setup, and restores it at its
    teardown. A test with settings of its own has its policy on top of the session's policy, and fixtures of a wider
    scope are set up under the session's policy.

    Attributes:
        test: the test that is isolated at present; ``None`` between tests.

    Args:
        settings: the settings for the session.
    """

    def __init__(self, settings: Settings) -> None:
        self.test: IsolatedTest | None = None
        self._settings = settings
        self._fixtures = FixtureResources()
        self._policies: dict[tuple[Any, ...], tuple[Settings, ContextPolicy]] = {}
        self._cleanup = ExitStack()
        self._installed: ContextPolicy | None = None
        self._started = False

    def begin(self, settings: Settings) -> IsolatedTest:
        """Begin the isolation of a test."""
        if not self._started:
            self._start()
        policy = self._policy(settings)
        self.test = IsolatedTest(policy, self._fixtures, self._guard, installed=policy is self._installed)
        return self.test

    def end(self) -> list[str]:
        """End the isolation of the present test, if there is one; return a line for each leak of the test."""
        test, self.test = self.test, None
        return [] if test is None else test.end()

    def close(self) -> None:
        """End the session."""
        self._cleanup.close()

    def _start(self) -> None:
        self._started = True
        self._cleanup.enter_context(recording_creator_threads())
        self._cleanup.enter_context(recording_task_owners())
        self._guard = self._cleanup.enter_context(RunningLoopGuard())
        if self._settings.resolver is not None:
            self._installed = self._policy(self._settings)
            self._cleanup.callback(_uninstall, Installation(self._installed))

    def _policy(self, settings: Settings) -> ContextPolicy:
        """Return the policy for these settings; equal settings get the same policy each time."""
        key = (_identity(settings.resolver), settings.missing, _identity(settings.factory))
        if key not in self._policies:
            resolver = self._resolver(settings.resolver)
            factory = None if settings.factory is None else recording_factory(settings.factory)
            policy = ContextPolicy(resolver, missing=settings.missing, loop_factory=factory)
            # The settings keep alive the objects whose ids are in the key.
            self._policies[key] = settings, policy
        return self._policies[key][1]

    def _resolver(self, what: ContextResolver | str) -> ContextResolver:
        # Each name gets one resolver per session: a contextvars context never forgets a variable that was set in it.
        for settings, policy in self._policies.values():
            if _identity(settings.resolver) == _identity(what):
                return policy.own_resolver
        return make_resolver(what)


def _uninstall(installation: Installation) -> None:
    # A fixture may have replaced the policy without restoring it; uninstall() would raise.
    host.force(installation.policy)
    installation.uninstall()


def _identity(what: Any) -> Any:
    return what if isinstance(what, str) or what is None else id(what)
