"""Renews objects in a forked child: first the host, then the resolvers, then the policies, which bind their methods."""

from __future__ import annotations

import itertools
import os
import weakref
from typing import Any, Final, Protocol

__all__ = ["HOST", "POLICY", "RESOLVER", "process", "registered", "renew_after_fork"]

HOST: Final = 0
RESOLVER: Final = 1
POLICY: Final = 2


class _Renewable(Protocol):
    def after_fork(self) -> None: ...


class _Process:
    """The present process.

    Attributes:
        id: the id of the process. Reading it takes no system call, unlike ``os.getpid()``.
    """

    __slots__ = ("id",)

    def __init__(self) -> None:
        self.id = os.getpid()


process: Final = _Process()

# The keys are serial numbers, not the objects: a resolver may compare equal to another one, or not be hashable.
_renewables: Final[tuple[weakref.WeakValueDictionary[int, _Renewable], ...]] = tuple(
    weakref.WeakValueDictionary() for _ in (HOST, RESOLVER, POLICY)
)
_serial: Final = itertools.count()


def renew_after_fork(thing: _Renewable, rank: int) -> None:
    """Register ``thing``: its ``after_fork()`` is called in every forked child, while ``thing`` is alive.

    Args:
        thing: the object. Only a weak reference to it is kept.
        rank: ``HOST``, ``RESOLVER`` or ``POLICY``. The calls are made in this order, and within a rank in the order of
            registration.
    """
    _renewables[rank][next(_serial)] = thing


def registered(rank: int) -> list[Any]:
    """Return the objects that are registered under ``rank`` and alive, in the order of registration."""
    return [thing for _, thing in sorted(_renewables[rank].items())]


def _in_child() -> None:
    process.id = os.getpid()
    failure: Exception | None = None
    for thing in itertools.chain.from_iterable(map(registered, (HOST, RESOLVER, POLICY))):
        try:
            thing.after_fork()
        except Exception as error:  # noqa: BLE001 - raised below, after the other objects are renewed
            failure = failure or error
    if failure is not None:
        raise failure


if hasattr(os, "register_at_fork"):  # pragma: no branch - absent on Windows only, which has no fork
    # pyright does not understand hasattr() on a module.
    os.register_at_fork(after_in_child=_in_child)  # pyright: ignore[reportAttributeAccessIssue]
