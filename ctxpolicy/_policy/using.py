"""Puts a resolver in force in one contextvars context, and restores the previous resolver."""

from __future__ import annotations

import warnings
import weakref
from types import TracebackType
from typing import Final, final

from ctxpolicy._asyncio.host import host
from ctxpolicy._callsite import caller
from ctxpolicy._fork import POLICY, registered
from ctxpolicy._policy import override, override_switch
from ctxpolicy._policy.install import Installation, installations, policy_text
from ctxpolicy._policy.passthrough import PassThroughPolicy
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import InstallationError
from ctxpolicy.resolvers._registry import shared_resolver
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["blocks", "using"]


class _Blocks:
    """The ``using`` blocks of the process, and the temporary policy that makes them have an effect.

    Every change is made inside :meth:`installations.change`, with one exception: the garbage collector removes entries
    from ``overrides`` at any time.

    Attributes:
        open: the number of blocks that are open.
        overrides: weak references to the overrides that still exist in a contextvars context (the context of the block,
            or a copy of it).
        temporary: the installation of the pass-through policy; ``None`` if none is installed.
    """

    def __init__(self) -> None:
        self.open = 0
        self.overrides: set[weakref.ref[override.Override]] = set()
        self.temporary: Installation | None = None

    def enter(self, entered: override.Override) -> None:
        """Count a block as open; its override is entered after this call."""
        with installations.change():
            entered.resolver.installed()
            try:
                _enable_overrides()
                self.ensure_passthrough()
            except BaseException:
                entered.resolver.uninstalled()
                raise
            self.open += 1
            self.overrides.add(weakref.ref(entered, self._forget))

    def leave(self, resolver: ContextResolver) -> None:
        """Count a block of ``resolver`` as left."""
        with installations.change():
            self.open -= 1
            try:
                self._warn_if_replaced()
            finally:
                resolver.uninstalled()

    def ensure_passthrough(self) -> None:
        """Put a pass-through policy in force, unless a ``ContextPolicy`` is in force."""
        policy = host.in_force()
        if isinstance(policy, ContextPolicy):
            return
        if self.temporary is not None:  # another policy has replaced the pass-through policy
            installations.stack.remove(self.temporary)
            self.temporary = None
        self.temporary = Installation(PassThroughPolicy(host.asyncio_policy() if policy is None else policy))

    def restore_passthrough(self) -> None:
        """Put a pass-through policy in force after an uninstallation, if a block is open."""
        if self.open:
            self.ensure_passthrough()

    def remove_if_unused(self) -> None:
        """Uninstall the pass-through policy if no contextvars context has an override any more.

        May be called in any thread at any time, also by the garbage collector. Inside a change it does nothing, because
        the end of the change calls it again.
        """
        if self._is_unused():
            installations.call_unless_changing(self._remove)

    def _is_unused(self) -> bool:
        return self.temporary is not None and not self.overrides and not self.open

    def _forget(self, reference: weakref.ref[override.Override]) -> None:
        self.overrides.discard(reference)
        self.remove_if_unused()

    def _remove(self) -> None:
        temporary = self.temporary
        if temporary is None or installations.would_restore(temporary.policy):
            return  # a policy that was installed inside a block is still in force; its uninstallation calls this again
        self.temporary = None
        if host.in_force() is temporary.policy:
            temporary.uninstall()
        else:  # another policy has replaced the pass-through policy
            installations.stack.remove(temporary)

    def _warn_if_replaced(self) -> None:
        now = host.in_force()
        if self.temporary is not None and not isinstance(now, ContextPolicy):
            warnings.warn(
                f"{policy_text(now)} was put in force by asyncio.set_event_loop_policy() while using blocks were open "
                f"(one is left in thread {thread_name()}), and stays in force. Since then the resolvers of those "
                "blocks have had no effect. Set policies outside of using blocks, or call ctxpolicy.install().",
                RuntimeWarning,
                stacklevel=caller()[1],
            )


def _enable_overrides() -> None:
    if not override_switch.overrides_enabled():
        override_switch.enable_overrides()
        for policy in registered(POLICY):
            policy.enable_overrides()


blocks: Final = _Blocks()
installations.after_uninstall = blocks.restore_passthrough
installations.after_change = blocks.remove_if_unused


@final
class using:  # noqa: N801 - lower case, because it is used like a function: `with using("task"):`
    """Put a resolver in force in this contextvars context only: ``with using("task"): ...``.

    Tasks, ``to_thread`` calls and handles that are created in the block run in copies of the context, and keep the
    resolver after the block. A plain thread gets the resolver only with ``-X thread_inherit_context=1`` (Python 3.14
    and later).

    If no :class:`ContextPolicy` is in force, a temporary one is installed. It passes every call from outside the blocks
    on to the previous policy. It stays installed while any block is open or any copy of its context is alive (on PyPy,
    until the garbage collector has freed the last copy).

    Args:
        what: a resolver, or the registered name of a resolver (the same name always gives the same instance).

    Warns:
        RuntimeWarning: when the block is left, if another policy that ignores ``using`` was put in force meanwhile.

    Raises:
        InstallationError: the block is left in another contextvars context than it was entered in, or before a block
            that was entered inside it.
    """

    def __init__(self, what: ContextResolver | str, /) -> None:
        self.resolver: Final = shared_resolver(what)
        self._override: override.Override | None = None

    def __enter__(self) -> ContextResolver:
        if self._override is not None:
            raise InstallationError("this using block is entered already: create one for each with statement")
        entered = override.Override(self.resolver)
        blocks.enter(entered)
        self._override = entered
        entered.enter()
        return self.resolver

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._override is None:
            raise InstallationError("this using block is not entered")
        try:
            self._override.leave()
        finally:
            self._override = None
            blocks.leave(self.resolver)
