"""asyncio's policy API for Pythons that no longer have it (3.16): opt-in.

:func:`restore_policies` adds ``get_event_loop_policy``, ``set_event_loop_policy`` and the policy classes to ``asyncio``
again. They behave as on Python 3.13, without child watchers. Unmodified libraries that create, set or subclass policies
then work: ``asyncio.run()`` and ``get_event_loop()`` use the policy that was set last. On Pythons that have policies
this changes nothing.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from asyncio import events
from types import ModuleType, TracebackType
from typing import Any, Final, final

from ctxpolicy._asyncio.forked_loops import keep_alive
from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.other_policies import forget_after_fork, share_thread_local
from ctxpolicy._asyncio.policy_classes import (
    AbstractEventLoopPolicy,
    BaseDefaultEventLoopPolicy,
    DefaultEventLoopPolicy,
    policy_class,
)
from ctxpolicy._fork import HOST, renew_after_fork
from ctxpolicy._policy.install import installed
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy.errors import InstallationError

__all__ = ["Restoration", "restore_policies"]


@final
class Restoration:
    """asyncio's policy API as :func:`restore_policies` has restored it. As a context manager, it removes the API."""

    def __init__(self) -> None:
        self._names: list[_Names] = []
        self._installed: list[ContextPolicy] = []
        self._active = False

    def undo(self) -> None:
        """Remove the restored API. A policy that :func:`~ctxpolicy.install` put in force before stays in force.

        A second call does nothing.

        Raises:
            InstallationError: a :class:`~ctxpolicy.ContextPolicy` was installed after the API was restored. Nothing
                changes then.
        """
        with _lock:
            if self._active:
                remaining = self._remaining_policies()
                self._active = False
                host.default = None
                host.force(remaining[-1] if remaining else None)
                for names in self._names:
                    names.remove()

    def __enter__(self) -> Restoration:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def _begin(self) -> None:
        self._installed = installed()
        default = DefaultEventLoopPolicy()
        share_thread_local(default, host.asyncio_policy())  # the loops of the threads stay bound
        if host.in_force() is None:
            host.force(default)
        host.default = default
        self._names = [_Names(module, names) for module, names in _restored_names()]
        self._active = True

    def _remaining_policies(self) -> list[ContextPolicy]:
        """Return the installed policies, in order of installation; raise if one was installed after the restoration."""
        remaining = installed()
        for policy in remaining:
            if not any(policy is other for other in self._installed):
                raise InstallationError(
                    f"{policy!r} was installed after restore_policies(). Uninstall that policy first."
                )
        return remaining


class _Names:
    """Names that are assigned in a module, with their previous values."""

    def __init__(self, module: ModuleType, names: dict[str, Any]) -> None:
        present = vars(module)
        self._module = module
        self._assigned = {**names, "__all__": tuple(dict.fromkeys((*present["__all__"], *names)))}
        self._before = {name: present[name] for name in self._assigned if name in present}
        present.update(self._assigned)

    def remove(self) -> None:
        """Restore the previous values."""
        for name in self._assigned:
            delattr(self._module, name)
        vars(self._module).update(self._before)


class _Restored:
    """Makes the policy in force forget the parent's loops in a forked child, as asyncio does up to 3.15."""

    def after_fork(self) -> None:
        policy = host.in_force()
        ours = isinstance(policy, ContextPolicy)  # a ContextPolicy has its own hook
        if not ours and vars(asyncio).get("set_event_loop_policy") is set_event_loop_policy:
            keep_alive(forget_after_fork(policy))  # a loop that is freed closes itself, and the parent uses this loop


_lock: Final = threading.RLock()
_restored: Final = _Restored()
renew_after_fork(_restored, HOST)


def restore_policies() -> Restoration:
    """Restore asyncio's policy API if asyncio has none.

    Call this before you import the libraries that need the API. On the command line: ``run --restore-policies``. Loops
    that are already set in threads stay set.

    Returns:
        the restoration. Call its ``undo()`` to remove the API, or use it in a ``with`` statement.
    """
    restoration = Restoration()
    with _lock:
        if not hasattr(asyncio, "set_event_loop_policy"):
            restoration._begin()
    return restoration


def get_event_loop_policy() -> AbstractEventLoopPolicy:
    """Return the policy in force."""
    policy: Any = host.in_force()
    if policy is None:  # the thread-local of asyncio was replaced, or the restoration was undone
        policy = host.asyncio_policy()
    return policy  # type: ignore[no-any-return]  # a library may have set any object


def set_event_loop_policy(policy: AbstractEventLoopPolicy | None) -> None:
    """Put ``policy`` in force.

    Args:
        policy: a policy; ``None``: a new instance of asyncio's default policy, which has no loops yet.

    Raises:
        TypeError: ``policy`` is neither a policy nor ``None``; the previous policy stays in force.
    """
    if policy is not None and not isinstance(policy, AbstractEventLoopPolicy):
        raise TypeError(f"policy must be an instance of AbstractEventLoopPolicy or None, not '{type(policy).__name__}'")
    with _lock:
        if policy is None and host.default is not None:
            host.default = DefaultEventLoopPolicy()
        host.force(policy)


def _restored_names() -> list[tuple[ModuleType, dict[str, Any]]]:
    public: dict[str, Any] = {
        "AbstractEventLoopPolicy": AbstractEventLoopPolicy,
        "DefaultEventLoopPolicy": DefaultEventLoopPolicy,
        "get_event_loop_policy": get_event_loop_policy,
        "set_event_loop_policy": set_event_loop_policy,
    }
    if sys.platform == "win32":  # pragma: no cover - supported by design, not tested
        for kind in ("Selector", "Proactor"):
            name = f"Windows{kind}EventLoopPolicy"
            public[name] = policy_class(name, getattr(asyncio, f"{kind}EventLoop"))
    return [(asyncio, public), (events, {**public, "BaseDefaultEventLoopPolicy": BaseDefaultEventLoopPolicy})]
