"""Put a policy in force process-wide, or a resolver in one contextvars context, and undo it."""

from __future__ import annotations

import contextlib
import threading
import warnings
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, final

from ctxpolicy._asyncio.forked_loops import keep_inherited
from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.other_policies import forget_after_fork, is_asyncios_own
from ctxpolicy._callsite import caller
from ctxpolicy._fork import HOST, POLICY, living, renew_after_fork
from ctxpolicy._loops.pool import loop_pool
from ctxpolicy._policy import override
from ctxpolicy._policy.passthrough import DispatchPolicy
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import InstallationError, OptionError
from ctxpolicy.resolvers._registry import shared_resolver
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["Installation", "install", "installed", "using"]


class _Turn:
    """Whose turn it is to change what is in force, and how many changes that thread is in."""

    __slots__ = ("changes", "lock")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changes = 0


class _State:
    """What is installed, oldest first; one thread at a time changes it.

    Attributes:
        dispatch: what ``using`` has put in force, where nothing of ours was.
        choices: what ``using`` has chosen and some contextvars context has still: the block's own, or a copy of it.
        blocks: how many ``using`` blocks are open.
    """

    def __init__(self) -> None:
        self.turn = _Turn()
        self.stack: list[Installation] = []
        self.dispatch: Installation | None = None
        self.choices: set[weakref.ref[override.Choice]] = set()
        self.blocks = 0

    def after_fork(self) -> None:
        self.turn = _Turn()
        for installation in self.stack:
            installation.after_fork()

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Change what is in force, alone; what using() has put there ends after it, if that is due."""
        turn = self.turn  # a forked child begins another
        try:
            with turn.lock:
                turn.changes += 1
                try:
                    yield
                finally:
                    turn.changes -= 1
        finally:
            self.tidy()

    def keep(self, choice: override.Choice) -> None:
        """Keep what using() has put in force until no contextvars context has ``choice`` any more."""
        self.choices.add(weakref.ref(choice, self._gone))

    def _gone(self, reference: weakref.ref[override.Choice]) -> None:
        self.choices.discard(reference)
        self.tidy()

    def tidy(self) -> None:
        """End what using() has put in force, once nobody has a choice any more.

        Called in any thread at any time, by the garbage collector too: where somebody is in a change it is left to
        them, who come here at its end.
        """
        due = self.dispatch is not None and not self.choices and not self.blocks
        if due and (turn := self.turn).lock.acquire(blocking=False):
            try:
                if self.dispatch is not None and not turn.changes:
                    _end_dispatch(self.dispatch)
            finally:
                turn.lock.release()


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
        with _state.change():
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
        with _state.change():
            self._check()
            _state.stack.remove(self)
            host.force(self._former)
            loop_pool.close()
            try:
                self.policy.return_watcher(self._former)
                self.policy.own_resolver.uninstalled()
            finally:
                if _state.blocks:
                    _heed_blocks()

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
            raise InstallationError(
                f"{self.policy!r} cannot be uninstalled in thread {thread_name()}: {now!r} was installed after it; "
                "uninstall that one first"
            )
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
    plain threads do not get it, but with ``-X thread_inherit_context=1`` (Python 3.14 and later). Where no
    :class:`ContextPolicy` is in force one is for as long as any block is open or such a copy is alive (on PyPy, until
    the collector finds that none is): it passes on to the policy that was there whatever belongs to no block.

    Args:
        what: a resolver, or the registered name of one (the same instance for the same name each time).

    Warns:
        RuntimeWarning: at the end, where somebody has put a policy in force that heeds no blocks; it stays.

    Raises:
        InstallationError: at the end, where the block is left in another contextvars context than it was entered in,
            or out of order.
    """

    def __init__(self, what: ContextResolver | str, /) -> None:
        self.resolver: Final = shared_resolver(what)
        self._choice: override.Choice | None = None

    def __enter__(self) -> ContextResolver:
        if self._choice is not None:
            raise InstallationError("this using block is entered already: make one for each with statement")
        choice = override.Choice(self.resolver)
        _enter_block(choice)
        self._choice = choice
        choice.enter()
        return self.resolver

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._choice is None:
            raise InstallationError("this using block is not entered")
        try:
            self._choice.leave()
        finally:
            self._choice = None
            _leave_block(self.resolver)


def _enter_block(choice: override.Choice) -> None:
    with _state.change():
        choice.resolver.installed()
        try:
            if not override.in_use():
                override.start_use()
                for policy in living(POLICY):
                    policy.scope()
            _heed_blocks()
        except BaseException:
            choice.resolver.uninstalled()
            raise
        _state.blocks += 1
        _state.keep(choice)


def _leave_block(resolver: ContextResolver) -> None:
    with _state.change():
        _state.blocks -= 1
        try:
            _see_that_blocks_were_heeded()
        finally:
            resolver.uninstalled()


def _heed_blocks() -> None:
    policy = host.in_force()
    if not isinstance(policy, ContextPolicy):  # which heeds them itself
        if _state.dispatch is not None:  # and somebody has put another policy in its place
            _state.stack.remove(_state.dispatch)
        _state.dispatch = None
        _state.dispatch = Installation(DispatchPolicy(host.own() if policy is None else policy))


def _end_dispatch(dispatch: Installation) -> None:
    if any(other._former is dispatch.policy for other in _state.stack):
        return  # installed inside the block and still in force: its end is this one's end too
    _state.dispatch = None
    if host.in_force() is dispatch.policy:
        dispatch.uninstall()
    else:  # somebody has put another policy in its place
        _state.stack.remove(dispatch)


def _see_that_blocks_were_heeded() -> None:
    now = host.in_force()
    if _state.dispatch is not None and not isinstance(now, ContextPolicy):
        warnings.warn(
            f"{_name(now)} has been put in force by asyncio.set_event_loop_policy() while using blocks were open (one "
            f"is left in thread {thread_name()}), and stays: the resolvers of those blocks have not been asked since. "
            "Set policies outside of using blocks, or call ctxpolicy.install().",
            RuntimeWarning,
            stacklevel=caller()[1],
        )


def _name(policy: object) -> str:
    return "asyncio's default policy" if is_asyncios_own(policy) else repr(policy)
