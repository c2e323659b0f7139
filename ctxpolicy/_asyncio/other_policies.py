"""Questions about a policy that is not ours: asyncio's default policy, uvloop's, a framework's."""

from __future__ import annotations

from asyncio import AbstractEventLoop, events
from collections.abc import Callable
from typing import Any, Final

from ctxpolicy._asyncio.capabilities import CREATES_IMPLICITLY, HAS_POLICIES, PolicyBase
from ctxpolicy._asyncio.policy_classes import NativeThreadLocal, NoPolicyDefault
from ctxpolicy._threads import is_main_thread

__all__ = [
    "child_watcher_of",
    "current_loop_getter",
    "current_loop_of",
    "decides_like_asyncio",
    "forget_after_fork",
    "handles_missing_like_asyncio",
    "is_asyncio_default",
    "note_loop_set",
    "share_thread_local",
    "was_loop_set",
    "would_create",
]


# The class that behaves as asyncio of this Python does without any policy of ours.
_AsyncioDefault: Final = PolicyBase if HAS_POLICIES else NoPolicyDefault


# --- the kind of a policy ---


def is_asyncio_default(policy: object) -> bool:
    """Return whether ``policy`` is asyncio's default policy, or the one that ``compat`` restores.

    Args:
        policy: a policy (an instance of a subclass does not count); ``None``: the default policy does not exist yet.
    """
    return policy is None or type(policy) in (PolicyBase, _AsyncioDefault)


def handles_missing_like_asyncio(policy: object) -> bool:
    """Return whether ``policy`` handles a missing loop as asyncio of this Python does."""
    return type(policy) is _AsyncioDefault or (HAS_POLICIES and _inherits_from_asyncio(policy))


def decides_like_asyncio(policy: Any) -> bool:
    """Return whether ``get_event_loop`` of ``policy`` behaves like that of asyncio's default policy.

    uvloop's policy does from version 0.22 on: it contains a copy of the code of asyncio 3.14.

    Args:
        policy: a policy; ``None``: asyncio's default policy, which does not exist yet.
    """
    return policy is None or _inherits_from_asyncio(policy) or _getter(policy).__module__ == "uvloop"


def would_create(policy: Any) -> bool:
    """Return whether ``policy``, which decides like asyncio, would create a loop if this thread has none."""
    # If asyncio has no policies, an inherited get_event_loop() is that of Python 3.13.
    creates = (
        CREATES_IMPLICITLY if policy is None or handles_missing_like_asyncio(policy) else _inherits_from_asyncio(policy)
    )
    called = getattr(getattr(policy, "_local", None), "_set_called", False)
    return creates and not called and is_main_thread()


def _inherits_from_asyncio(policy: Any) -> bool:
    return _getter(policy) is PolicyBase.get_event_loop


def _getter(policy: Any) -> Any:
    return getattr(policy.get_event_loop, "__func__", policy.get_event_loop)


# --- the state of a policy ---


def current_loop_of(policy: Any) -> AbstractEventLoop | None:
    """Return the current loop of this thread under ``policy``, without creating one.

    asyncio has no method for this question. The loop is read from the place where asyncio's default policy and most
    others keep it.

    Args:
        policy: a policy that is not ours; ``None``: asyncio's default policy, which does not exist yet.
    """
    local = getattr(events if policy is None else policy, "_local", None)
    loop: AbstractEventLoop | None = getattr(local, "_loop", None)
    return loop


def current_loop_getter(policy: Any, miss: Callable[[], AbstractEventLoop]) -> Callable[[], AbstractEventLoop]:
    """Return a function that returns the current loop of this thread under asyncio's default policy, fast.

    Args:
        policy: asyncio's default policy, or an instance of a subclass.
        miss: called if this thread has no loop; its result is returned.
    """

    def get_event_loop() -> AbstractEventLoop:
        loop: AbstractEventLoop | None = (
            policy._local._loop
        )  # looked up each time: asyncio replaces _local after a fork
        return miss() if loop is None else loop

    return get_event_loop


def note_loop_set(policy: Any) -> None:
    """Note under asyncio's default policy that a loop was set in this thread."""
    policy._local._set_called = True


def was_loop_set(policy: Any) -> bool:
    """Return whether a loop was ever set in this thread under asyncio's default policy (from 3.14 on: true)."""
    return bool(getattr(policy._local, "_set_called", True))


def child_watcher_of(policy: Any) -> Any:
    """Return the child watcher of ``policy``, ``None`` if it has none."""
    return getattr(policy, "_watcher", None)


def share_thread_local(policy: Any, other: Any) -> None:
    """Make ``policy`` keep its loops in the same thread-local object as ``other``."""
    policy._local = other._local


def forget_after_fork(policy: Any) -> object:
    """Make ``policy`` forget the loops of the parent process; called in a forked child.

    asyncio does this from Python 3.12 on, but only to the policy in force.

    Returns:
        the object in which the policy kept the loops, for :func:`~ctxpolicy._asyncio.forked_loops.keep_alive`.
    """
    kept: object = getattr(policy, "_local", None)
    if isinstance(kept, NativeThreadLocal):
        return None  # asyncio has replaced its own thread-local, which this object reads
    if kept is not None and hasattr(events, "on_fork"):
        policy._local = PolicyBase._Local()  # type: ignore[attr-defined]
    return kept
