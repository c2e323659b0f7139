"""Put a policy in force process-wide, or a resolver in one contextvars context, and undo it."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Final, final

from ctxpolicy import _scope
from ctxpolicy._asyncio import forget_after_fork, host, is_asyncios_own
from ctxpolicy._dispatch import DispatchPolicy
from ctxpolicy._fork import HOST, renew_after_fork
from ctxpolicy._inherited import keep_inherited
from ctxpolicy._policy import ContextPolicy
from ctxpolicy._registry import shared_resolver
from ctxpolicy._spares import spares
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import InstallationError, OptionError
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["Installation", "install", "installed", "using"]


class _State:
    """What is installed, oldest first; one lock for all changes of what is in force."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.stack: list[Installation] = []
        self.dispatch: Installation | None = None
        self.blocks = 0

    def after_fork(self) -> None:
        self.lock = threading.RLock()
        for installation in self.stack:
            installation.after_fork()


_state: Final = _State()
renew_after_fork(host, HOST)
renew_after_fork(_state, HOST)


@final
class Installation:
    """A policy put in force by :func:`install`; a context manager that uninstalls it.

    Attributes:
        policy: the policy.
    """

    def __init__(self, policy: ContextPolicy) -> None:
        self.policy = policy
        with _state.lock:
            if any(other.policy is policy for other in _state.stack):
                raise InstallationError(
                    f"{policy!r} is installed already, and cannot be again (in thread {thread_name()}): make a new "
                    "ContextPolicy, or uninstall this one first"
                )
            self._former = host.in_force()
            policy.take_over(self._former)
            policy.own_resolver.installed()
            try:
                host.force(policy)
            except BaseException:
                policy.own_resolver.uninstalled()
                raise
            _state.stack.append(self)

    def uninstall(self) -> None:
        """Restore what was in force before.

        May be called in any thread, also while loops run.

        Raises:
            InstallationError: this is not installed (any more), or something else is in force now. Nothing is
                changed then.
        """
        with _state.lock:
            self._check()
            _state.stack.remove(self)
            host.force(self._former)
            spares.close()
            try:
                self.policy.return_watcher(self._former)
                self.policy.own_resolver.uninstalled()
            finally:
                if _state.blocks:
                    _heed_blocks()
                else:
                    _end_dispatch()

    def after_fork(self) -> None:
        """Have the policy that was in force before forget the loops of the parent; called in a forked child."""
        if not isinstance(self._former, ContextPolicy):  # which sees to it itself
            keep_inherited(forget_after_fork(self._former))  # to drop a loop is to close it, and the parent has it open

    def _check(self) -> None:
        if self not in _state.stack:
            raise InstallationError(
                f"{self.policy!r} is not installed (any more), and cannot be uninstalled in thread {thread_name()}: "
                "uninstall an installation once, or use it as a with block"
            )
        now = host.in_force()
        if now is self.policy:
            return
        if any(other.policy is now for other in _state.stack):
            raise InstallationError(f"{now!r} was installed after {self.policy!r}: uninstall that one first")
        raise InstallationError(
            f"{self.policy!r} cannot be uninstalled in thread {thread_name()}: {_name(now)} has taken its place since, "
            "by asyncio.set_event_loop_policy(). Set this policy again before you uninstall it, or leave things as "
            "they are."
        )

    def __enter__(self) -> Installation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self in _state.stack:
            self.uninstall()

    def __repr__(self) -> str:
        state = "installed" if self in _state.stack else "uninstalled"
        return f"<Installation of {self.policy!r}, {state}>"


def install(what: ContextPolicy | ContextResolver | str = "contextvar", /, **options: Any) -> Installation:
    """Put a policy in force for the whole process.

    May be called in any thread, also while a loop runs: running loops are not touched.

    Args:
        what: a resolver, the registered name of one, or a :class:`ContextPolicy`.
        options: those of :class:`ContextPolicy`, ``missing`` and ``loop_factory``.

    Returns:
        what undoes it: ``.uninstall()``, or a ``with`` block.

    Raises:
        CtxPolicyError: an argument cannot be used; what was in force still is.
    """
    if not isinstance(what, ContextPolicy):
        unknown = options.keys() - {"missing", "loop_factory"}
        if unknown:
            raise OptionError(f"install() takes missing and loop_factory, not {', '.join(sorted(unknown))}")
        what = ContextPolicy(what, **options)
    elif options:
        raise OptionError(f"install() of a policy takes no options ({', '.join(options)}): give them to the policy")
    return Installation(what)


def installed() -> list[ContextPolicy]:
    """Return the policies that are installed, the last one last."""
    return [installation.policy for installation in _state.stack]


@final
class using:  # noqa: N801 - reads as the statement that it is part of
    """Put a resolver in force in this contextvars context only: ``with using("task"): ...``.

    Tasks, ``to_thread`` calls and handles made in the block are copies of the context and keep the resolver after it;
    plain threads do not get it. Where no :class:`ContextPolicy` is in force one is for as long as any block is
    open: it passes on to the policy that was there whatever belongs to no block.

    Args:
        what: a resolver, or the registered name of one (the same instance for the same name each time).

    Raises:
        InstallationError: at the end, where the block is left in another contextvars context than it was entered in,
            or out of order; or somebody has replaced the policy.
    """

    def __init__(self, what: ContextResolver | str, /) -> None:
        self.resolver: Final = shared_resolver(what)
        self._choice: _scope.Choice | None = None

    def __enter__(self) -> ContextResolver:
        if self._choice is not None:
            raise InstallationError("this using block is entered already: make one for each with statement")
        _enter_block(self.resolver)
        self._choice = _scope.Choice(self.resolver)
        self._choice.enter()
        return self.resolver

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        choice, self._choice = self._choice, None
        if choice is None:
            raise InstallationError("this using block is not entered")
        try:
            choice.leave()
        finally:
            _leave_block(self.resolver)


def _enter_block(resolver: ContextResolver) -> None:
    with _state.lock:
        resolver.installed()
        try:
            _scope.start_use()
            _heed_blocks()
        except BaseException:
            resolver.uninstalled()
            raise
        _state.blocks += 1


def _leave_block(resolver: ContextResolver) -> None:
    with _state.lock:
        _state.blocks -= 1
        try:
            if _state.blocks == 0:
                _end_dispatch()
        finally:
            resolver.uninstalled()


def _heed_blocks() -> None:
    policy = host.in_force()
    if isinstance(policy, ContextPolicy):
        policy.scope()
    else:
        _state.dispatch = Installation(DispatchPolicy(host.own() if policy is None else policy))


def _end_dispatch() -> None:
    dispatch = _state.dispatch
    if dispatch is None or any(other._former is dispatch.policy for other in _state.stack):
        return  # or installed inside the block and still in force: its end is this one's end too
    _state.dispatch = None
    now = host.in_force()
    if now is dispatch.policy:
        dispatch.uninstall()
        return
    _state.stack.remove(dispatch)
    if isinstance(now, ContextPolicy):
        return  # which heeds using blocks itself
    raise InstallationError(
        f"{_name(now)} has been put in force by asyncio.set_event_loop_policy() while using blocks were open (the last "
        f"was left in thread {thread_name()}), and stays: the resolvers of those blocks have not been asked since. "
        "Set policies outside of using blocks, or call ctxpolicy.install()."
    )


def _name(policy: object) -> str:
    return "asyncio's default policy" if is_asyncios_own(policy) else repr(policy)
