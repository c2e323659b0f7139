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

from ctxpolicy import _seam
from ctxpolicy._asyncio import forget_after_fork, host
from ctxpolicy._fork import HOST, renew_after_fork
from ctxpolicy._inherited import keep_inherited
from ctxpolicy._policy import ContextPolicy
from ctxpolicy.errors import InstallationError

__all__ = ["Restoration", "restore_policies"]


@final
class Restoration:
    """asyncio's policy API put back by :func:`restore_policies`; a context manager that takes it away again."""

    def __init__(self) -> None:
        self._added: list[tuple[ModuleType, str]] = []
        self._former: Any = None
        self._active = False

    def undo(self) -> None:
        """Take away what was put back, and put in force what was in force before. Does nothing the second time.

        Raises:
            InstallationError: a :class:`~ctxpolicy.ContextPolicy` was installed since; nothing is changed then.
        """
        with _lock:
            if self._active:
                self._check()
                self._active = False
                host.force(self._former)
                _remove(self._added)

    def __enter__(self) -> Restoration:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def _begin(self) -> None:
        self._former = host.in_force()
        own: Any = host.own()
        _default._local = own._local
        if self._former is None:
            host.force(_default)
        self._added = _add()
        self._active = True

    def _check(self) -> None:
        now = host.in_force()
        if isinstance(now, ContextPolicy) and now is not self._former:
            raise InstallationError(f"{now!r} was put in force after restore_policies(): uninstall that one first")


class _Restored:
    """What the policy in force must do anew in a forked child, where asyncio up to 3.15 did it."""

    def after_fork(self) -> None:
        policy = host.in_force()
        ours = isinstance(policy, ContextPolicy)  # which sees to it itself
        if not ours and vars(asyncio).get("set_event_loop_policy") is set_event_loop_policy:
            keep_inherited(forget_after_fork(policy))  # to drop a loop is to close it, and the parent has it open


_lock: Final = threading.RLock()
# That of 3.13, over asyncio's own thread-local: what is bound to the threads stays bound.
_default: Final = _seam.DefaultEventLoopPolicy()
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


def get_event_loop_policy() -> _seam.AbstractEventLoopPolicy:
    """Return the policy in force."""
    policy: Any = host.in_force() or _default
    return policy  # type: ignore[no-any-return]  # anything that a library has set


def set_event_loop_policy(policy: _seam.AbstractEventLoopPolicy | None) -> None:
    """Put ``policy`` in force; ``None``: asyncio's default one.

    Raises:
        TypeError: it is neither a policy nor ``None``; the former one stays in force.
    """
    if policy is not None and not isinstance(policy, _seam.AbstractEventLoopPolicy):
        raise TypeError(f"policy must be an instance of AbstractEventLoopPolicy or None, not '{type(policy).__name__}'")
    host.force(policy or _default)


def _names() -> dict[str, Any]:
    names: dict[str, Any] = {
        "AbstractEventLoopPolicy": _seam.AbstractEventLoopPolicy,
        "DefaultEventLoopPolicy": _seam.DefaultEventLoopPolicy,
        "get_event_loop_policy": get_event_loop_policy,
        "set_event_loop_policy": set_event_loop_policy,
    }
    if sys.platform == "win32":  # pragma: no cover - supported by design, not tested
        for kind in ("Selector", "Proactor"):
            name = f"Windows{kind}EventLoopPolicy"
            loops = {"_loop_factory": getattr(asyncio, f"{kind}EventLoop")}
            names[name] = type(name, (_seam.BaseDefaultEventLoopPolicy,), loops)
    return names


def _add() -> list[tuple[ModuleType, str]]:
    added = []
    public = _names()
    of_events = {**public, "BaseDefaultEventLoopPolicy": _seam.BaseDefaultEventLoopPolicy}
    for module, names in ((asyncio, public), (events, of_events)):
        for name, value in names.items():
            setattr(module, name, value)
            added.append((module, name))
        vars(module)["__all__"] = (*vars(module)["__all__"], *names)
    return added


def _remove(added: list[tuple[ModuleType, str]]) -> None:
    for module, name in added:
        delattr(module, name)
        vars(module)["__all__"] = tuple(other for other in vars(module)["__all__"] if other != name)
