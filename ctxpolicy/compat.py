"""asyncio's policy API, for Pythons that no longer have it (3.16): opt-in.

:func:`restore_policies` puts ``get_event_loop_policy``, ``set_event_loop_policy`` and the policy classes back into
``asyncio``, with the semantics of Python 3.13 (child watchers excepted, which were gone before), so that unmodified
libraries that make, set or subclass policies work: ``asyncio.run()`` and ``get_event_loop()`` obey the last policy set.
On Pythons that have policies it changes nothing.
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
from ctxpolicy._asyncio.other_policies import forget_after_fork
from ctxpolicy._asyncio.policy_classes import (
    AbstractEventLoopPolicy,
    BaseDefaultEventLoopPolicy,
    DefaultEventLoopPolicy,
)
from ctxpolicy._fork import HOST, renew_after_fork
from ctxpolicy._policy.install import installed
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy.errors import InstallationError

__all__ = ["Restoration", "restore_policies"]


@final
class Restoration:
    """asyncio's policy API put back by :func:`restore_policies`; a context manager that takes it away again."""

    def __init__(self) -> None:
        self._names: list[_Names] = []
        self._installed: list[ContextPolicy] = []
        self._active = False

    def undo(self) -> None:
        """Take away what was put back; what :func:`~ctxpolicy.install` has put in force stays, and nothing else.

        Does nothing the second time.

        Raises:
            InstallationError: a :class:`~ctxpolicy.ContextPolicy` was installed since; nothing is changed then.
        """
        with _lock:
            if self._active:
                standing = self._standing()
                self._active = False
                host.default = None
                host.force(standing[-1] if standing else None)
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
        own: Any = host.asyncio_policy()
        default._local = own._local  # asyncio's own thread-local: what is bound to the threads stays bound
        if host.in_force() is None:
            host.force(default)
        host.default = default
        self._names = [_Names(module, names) for module, names in _restored_names()]
        self._active = True

    def _standing(self) -> list[ContextPolicy]:
        """Return the policies that are installed still, the last one last; all of them were before this."""
        standing = installed()
        for policy in standing:
            if not any(policy is other for other in self._installed):
                raise InstallationError(f"{policy!r} was installed after restore_policies(): uninstall that one first")
        return standing


class _Names:
    """Names put into a module, and what was there under them before."""

    def __init__(self, module: ModuleType, names: dict[str, Any]) -> None:
        present = vars(module)
        self._module = module
        self._put = {**names, "__all__": tuple(dict.fromkeys((*present["__all__"], *names)))}
        self._before = {name: present[name] for name in self._put if name in present}
        present.update(self._put)

    def remove(self) -> None:
        """Put back what was there."""
        for name in self._put:
            delattr(self._module, name)
        vars(self._module).update(self._before)


class _Restored:
    """What the policy in force must do anew in a forked child, where asyncio up to 3.15 did it."""

    def after_fork(self) -> None:
        policy = host.in_force()
        ours = isinstance(policy, ContextPolicy)  # which sees to it itself
        if not ours and vars(asyncio).get("set_event_loop_policy") is set_event_loop_policy:
            keep_alive(forget_after_fork(policy))  # to drop a loop is to close it, and the parent has it open


_lock: Final = threading.RLock()
_restored: Final = _Restored()
renew_after_fork(_restored, HOST)


def restore_policies() -> Restoration:
    """Put asyncio's policy API back where asyncio has none.

    Do it before the libraries are imported that need it; the command line has ``run --restore-policies``. What is bound
    to the threads already stays bound.

    Returns:
        what undoes it.
    """
    restoration = Restoration()
    with _lock:
        if not hasattr(asyncio, "set_event_loop_policy"):
            restoration._begin()
    return restoration


def get_event_loop_policy() -> AbstractEventLoopPolicy:
    """Return the policy in force."""
    policy: Any = host.in_force()
    if policy is None:  # somebody has put another thread-local into asyncio, or all of this was undone
        policy = host.asyncio_policy()
    return policy  # type: ignore[no-any-return]  # anything that a library has set


def set_event_loop_policy(policy: AbstractEventLoopPolicy | None) -> None:
    """Put ``policy`` in force; ``None``: a new default one of asyncio's, which has no loops yet.

    Raises:
        TypeError: it is neither a policy nor ``None``; the previous one stays in force.
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
            loops = {"_loop_factory": getattr(asyncio, f"{kind}EventLoop")}
            public[name] = type(name, (BaseDefaultEventLoopPolicy,), loops)
    return [(asyncio, public), (events, {**public, "BaseDefaultEventLoopPolicy": BaseDefaultEventLoopPolicy})]
