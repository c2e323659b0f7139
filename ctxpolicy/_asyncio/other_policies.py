"""What can be told of a policy that is not ours: asyncio's own, uvloop's, a framework's."""

from __future__ import annotations

from asyncio import AbstractEventLoop, events
from typing import Any, Final

from ctxpolicy._asyncio.capabilities import CREATES_IMPLICITLY, HAS_POLICIES, PolicyBase
from ctxpolicy._asyncio.policy_classes import NativeThreadLocal, NoPolicyDefault
from ctxpolicy._threads import is_main_thread

__all__ = [
    "decides_like_asyncio",
    "forget_after_fork",
    "handles_missing_like_asyncio",
    "is_asyncio_default",
    "kept_loop",
    "would_create",
]


_OwnWay: Final = PolicyBase if HAS_POLICIES else NoPolicyDefault


def is_asyncio_default(policy: object) -> bool:
    """Tell whether ``policy`` is asyncio's default one (``None``: not made yet) or compat's, no subclass of it."""
    return policy is None or type(policy) in (PolicyBase, _OwnWay)


def handles_missing_like_asyncio(policy: object) -> bool:
    """Tell whether ``policy`` does about a missing loop what asyncio of this Python does by itself."""
    return type(policy) is _OwnWay or (HAS_POLICIES and _inherits_from_asyncio(policy))


def forget_after_fork(policy: Any) -> object:
    """Have ``policy`` forget the loops of the parent, as asyncio has the policy in force do in a forked child (3.12).

    Returns:
        where it kept them.
    """
    kept: object = getattr(policy, "_local", None)
    if isinstance(kept, NativeThreadLocal):
        return None  # which asyncio has made anew
    if kept is not None and hasattr(events, "on_fork"):
        policy._local = PolicyBase._Local()  # type: ignore[attr-defined]
    return kept


def decides_like_asyncio(policy: Any) -> bool:
    """Tell whether ``policy`` answers ``get_event_loop`` as asyncio's default one (``None``: not made yet) does.

    uvloop's does from 0.22 on: it has a copy of what asyncio 3.14 does.
    """
    return policy is None or _inherits_from_asyncio(policy) or _getter(policy).__module__ == "uvloop"


def _inherits_from_asyncio(policy: Any) -> bool:
    return _getter(policy) is PolicyBase.get_event_loop


def _getter(policy: Any) -> Any:
    return getattr(policy.get_event_loop, "__func__", policy.get_event_loop)


def kept_loop(policy: Any) -> AbstractEventLoop | None:
    """Return the loop that such a policy keeps for this thread; other policies mostly keep it in the same place."""
    local = getattr(events if policy is None else policy, "_local", None)
    loop: AbstractEventLoop | None = getattr(local, "_loop", None)
    return loop


def would_create(policy: Any) -> bool:
    """Tell whether such a policy would make a loop if it keeps none for this thread."""
    # Where asyncio has no policies, what is inherited is that of 3.13.
    creates = (
        CREATES_IMPLICITLY if policy is None or handles_missing_like_asyncio(policy) else _inherits_from_asyncio(policy)
    )
    called = getattr(getattr(policy, "_local", None), "_set_called", False)
    return creates and not called and is_main_thread()
