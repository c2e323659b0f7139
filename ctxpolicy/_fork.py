"""What a forked child must do anew, in order: the host, the resolvers, the policies that bind their methods."""

from __future__ import annotations

import itertools
import os
import weakref
from typing import Any, Final, Protocol

__all__ = ["HOST", "POLICY", "RESOLVER", "living", "process", "renew_after_fork"]

HOST: Final = 0
RESOLVER: Final = 1
POLICY: Final = 2


class _Renewable(Protocol):
    def after_fork(self) -> None: ...


class _Process:
    """The present process: ``id`` is what ``os.getpid()`` returns, without the system call."""

    __slots__ = ("id",)

    def __init__(self) -> None:
        self.id = os.getpid()


process: Final = _Process()

# Keyed by a serial number, not by the objects: an author's resolver may compare equal to another, or not be hashable.
_renewables: Final[tuple[weakref.WeakValueDictionary[int, _Renewable], ...]] = tuple(
    weakref.WeakValueDictionary() for _ in (HOST, RESOLVER, POLICY)
)
_serial: Final = itertools.count()


def renew_after_fork(thing: _Renewable, rank: int) -> None:
    """Have ``thing.after_fork()`` called in every forked child, as long as ``thing`` lives.

    Args:
        thing: is held weakly.
        rank: ``HOST`` before ``RESOLVER`` before ``POLICY``; within a rank in the order of registration.
    """
    _renewables[rank][next(_serial)] = thing


def living(rank: int) -> list[Any]:
    """Return what was given to :func:`renew_after_fork` under ``rank`` and is alive, in the order in which it was."""
    return [thing for _, thing in sorted(_renewables[rank].items())]


def _in_child() -> None:
    process.id = os.getpid()
    failure: Exception | None = None
    for thing in itertools.chain.from_iterable(map(living, (HOST, RESOLVER, POLICY))):
        try:
            thing.after_fork()
        except Exception as error:  # noqa: BLE001 - the others still must be renewed; Python reports what is raised here
            failure = failure or error
    if failure is not None:
        raise failure


if hasattr(os, "register_at_fork"):  # pragma: no branch - only Windows lacks it, which has no fork
    # pyright does not understand hasattr() of a module.
    os.register_at_fork(after_in_child=_in_child)  # pyright: ignore[reportAttributeAccessIssue]
