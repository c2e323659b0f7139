"""Puts a policy in force for the whole process, and restores the previous policy."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, final

from ctxpolicy._asyncio.forked_loops import keep_alive
from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.other_policies import forget_after_fork, is_asyncio_default
from ctxpolicy._fork import HOST, renew_after_fork
from ctxpolicy._loops.pool import loop_pool
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import InstallationError, OptionError
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["Installation", "install", "installations", "installed", "policy_text"]


class _ChangeLock:
    """The lock of the thread that changes the policy in force. ``depth`` counts the nested changes of that thread."""

    __slots__ = ("depth", "lock")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.depth = 0


def _do_nothing() -> None:
    pass


class _Installations:
    """The installations of the process. One thread at a time changes the policy in force.

    Attributes:
        stack: the installations, oldest first.
        after_uninstall: called inside the change that uninstalls a policy.
        after_change: called after each change, by the thread that made it.
    """

    def __init__(self) -> None:
        self.stack: list[Installation] = []
        # The module of using() sets these two hooks, because this module must not import that module.
        self.after_uninstall: Callable[[], None] = _do_nothing
        self.after_change: Callable[[], None] = _do_nothing
        self._change_lock = _ChangeLock()

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may hold; called in a forked child."""
        self._change_lock = _ChangeLock()
        for installation in self.stack:
            installation.after_fork()

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Let only this thread change the policy in force during the block."""
        change = self._change_lock  # the same lock at both ends of the block, also in a forked child
        try:
            with change.lock:
                change.depth += 1
                try:
                    yield
                finally:
                    change.depth -= 1
        finally:
            self.after_change()

    def call_unless_changing(self, action: Callable[[], None]) -> None:
        """Call ``action`` under the lock, unless a thread (this one included) is inside a change. Never waits."""
        change = self._change_lock
        if change.lock.acquire(blocking=False):
            try:
                if not change.depth:
                    action()
            finally:
                change.lock.release()

    def has_policy(self, policy: object) -> bool:
        """Return whether an installation put ``policy`` in force."""
        return any(each.policy is policy for each in self.stack)

    def would_restore(self, policy: object) -> bool:
        """Return whether an installation will put ``policy`` in force again when it is uninstalled."""
        return any(each.previous is policy for each in self.stack)


installations: Final = _Installations()
renew_after_fork(host, HOST)
renew_after_fork(installations, HOST)


@final
class Installation:
    """A policy that :func:`install` has put in force. As a context manager, it uninstalls the policy at the end.

    Attributes:
        policy: the policy.
        previous: the policy that :meth:`uninstall` restores; ``None``: asyncio's default policy.
    """

    def __init__(self, policy: ContextPolicy) -> None:
        self.policy = policy
        with installations.change():
            if installations.has_policy(policy):
                raise InstallationError(
                    f"{policy!r} is installed already and cannot be installed twice (in thread {thread_name()}). "
                    "Create another ContextPolicy, or uninstall this one first."
                )
            self.previous: Any = host.in_force()
            policy.take_over(self.previous)
            policy.own_resolver.installed()
            try:
                host.force(policy)
            except BaseException:
                policy.own_resolver.uninstalled()
                raise
            installations.stack.append(self)

    def uninstall(self) -> None:
        """Restore the policy that was in force before.

        May be called in any thread, also while loops run.

        Raises:
            InstallationError: the policy is not installed (any more), or another policy is in force now. Nothing
                changes then.
        """
        with installations.change():
            self._check()
            installations.stack.remove(self)
            host.force(self.previous)
            loop_pool.close()
            try:
                self.policy.return_watcher(self.previous)
                self.policy.own_resolver.uninstalled()
            finally:
                installations.after_uninstall()

    def after_fork(self) -> None:
        """Make the previous policy forget the loops of the parent; called in a forked child."""
        if not isinstance(self.previous, ContextPolicy):  # a ContextPolicy has its own hook
            # The loop is kept alive: a loop that is freed closes itself, and the parent still uses this loop.
            keep_alive(forget_after_fork(self.previous))

    def _check(self) -> None:
        if self not in installations.stack:
            raise InstallationError(
                f"{self.policy!r} is not installed (any more) and cannot be uninstalled in thread {thread_name()}. "
                "Uninstall an installation once, or use it as a with block."
            )
        now = host.in_force()
        if now is self.policy:
            return
        if installations.has_policy(now):
            raise InstallationError(
                f"{self.policy!r} cannot be uninstalled in thread {thread_name()}: {now!r} was installed after it. "
                "Uninstall that policy first."
            )
        raise InstallationError(
            f"{self.policy!r} cannot be uninstalled in thread {thread_name()}: {policy_text(now)} has replaced it, by "
            "asyncio.set_event_loop_policy(). Set this policy again before you uninstall it, or do not uninstall it."
        )

    def __enter__(self) -> Installation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self in installations.stack:
            self.uninstall()

    def __repr__(self) -> str:
        state = "installed" if self in installations.stack else "uninstalled"
        return f"<Installation of {self.policy!r}, {state}>"


def install(what: ContextPolicy | ContextResolver | str = "contextvar", /, **options: Any) -> Installation:
    """Put a policy in force for the whole process.

    May be called in any thread, also while a loop runs: running loops are not affected.

    Args:
        what: a resolver, the registered name of a resolver, or a :class:`ContextPolicy`.
        options: the options of :class:`ContextPolicy`: ``missing`` and ``loop_factory``.

    Returns:
        the installation. Call its ``uninstall()`` to uninstall the policy, or use it in a ``with`` statement.

    Raises:
        CtxPolicyError: an argument is invalid; the policy in force is unchanged.
    """
    if not isinstance(what, ContextPolicy):
        unknown = options.keys() - {"missing", "loop_factory"}
        if unknown:
            raise OptionError(f"install() takes missing and loop_factory, not {', '.join(sorted(unknown))}")
        what = ContextPolicy(what, **options)
    elif options:
        raise OptionError(f"install() of a policy takes no options ({', '.join(options)}): pass them to the policy")
    return Installation(what)


def installed() -> list[ContextPolicy]:
    """Return the installed policies, in the order of their installation."""
    return [installation.policy for installation in installations.stack]


def policy_text(policy: object) -> str:
    """Return the name of ``policy`` for messages."""
    return "asyncio's default policy" if is_asyncio_default(policy) else repr(policy)
