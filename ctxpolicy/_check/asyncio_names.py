"""Which names asyncio had, where they lived, and since which Python they warn and are gone.

Read off the asyncio of each Python from 3.8 to 3.15; for 3.16, which removes the policy system, from CPython's main
branch. The tests compare these tables with the asyncio they run on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from ctxpolicy._check import catalog as rules
from ctxpolicy._check.report import Version

POLICY = "<policy>"
"""Stands for an instance of a policy in a dotted path: ``<policy>.get_child_watcher``."""


@final
@dataclass(frozen=True)
class Removed:
    """A name that is gone, or will be.

    Attributes:
        code: The rule that speaks of it.
        warns: The first Python that warns of its use, ``None`` where none does.
        fails: The first Python without it.
        replacement: What to write in its place.
    """

    code: str
    warns: Version | None
    fails: Version
    replacement: str


def _removed(code: str, warns: Version | None, fails: Version, replacement: str | None = None) -> Removed:
    return Removed(code, warns, fails, replacement or rules.RULES[code].replacement)


_3_12, _3_14, _3_16 = Version(3, 12), Version(3, 14), Version(3, 16)

_POLICY_FUNCTIONS = {
    "get_event_loop_policy": _removed("CTX101", _3_14, _3_16, rules.GET_POLICY),
    "set_event_loop_policy": _removed("CTX101", _3_14, _3_16),
}

_POLICY_CLASSES = {
    "AbstractEventLoopPolicy": rules.RULES["CTX102"].replacement,
    "DefaultEventLoopPolicy": rules.LOOP_CLASS.format("new_event_loop", "new_event_loop"),
    "WindowsSelectorEventLoopPolicy": rules.LOOP_CLASS.format("SelectorEventLoop", "SelectorEventLoop"),
    "WindowsProactorEventLoopPolicy": rules.LOOP_CLASS.format("ProactorEventLoop", "ProactorEventLoop"),
}

_PRIVATE_POLICY = {
    "BaseDefaultEventLoopPolicy": _3_14,
    "_AbstractEventLoopPolicy": _3_16,
    "_BaseDefaultEventLoopPolicy": _3_16,
    "_DefaultEventLoopPolicy": _3_16,
    "_UnixDefaultEventLoopPolicy": _3_16,
    "_WindowsProactorEventLoopPolicy": _3_16,
    "_WindowsSelectorEventLoopPolicy": _3_16,
    "_event_loop_policy": _3_16,
    "_get_event_loop_policy": _3_16,
    "_init_event_loop_policy": _3_16,
    "_set_event_loop_policy": _3_16,
}

_WATCHER_FUNCTIONS = {name: _removed("CTX201", _3_12, _3_14) for name in ("get_child_watcher", "set_child_watcher")}

_WATCHERS = {
    "AbstractChildWatcher": _3_12,
    "FastChildWatcher": _3_12,
    "MultiLoopChildWatcher": _3_12,
    "SafeChildWatcher": _3_12,
    # These two were asyncio's own choice, and left without ever warning.
    "PidfdChildWatcher": None,
    "ThreadedChildWatcher": None,
}

IN_ASYNCIO: dict[str, Removed] = {
    **_POLICY_FUNCTIONS,
    **{name: _removed("CTX102", _3_14, _3_16, text) for name, text in _POLICY_CLASSES.items()},
    **_WATCHER_FUNCTIONS,
    **{name: _removed("CTX202", warns, _3_14) for name, warns in _WATCHERS.items()},
}
"""The names of the package ``asyncio`` itself."""

IN_SUBMODULES: dict[str, Removed] = {
    **IN_ASYNCIO,
    # 3.14 and 3.15 keep the policy classes as attributes of the package only, under a module __getattr__.
    **{name: _removed("CTX102", None, _3_14, text) for name, text in _POLICY_CLASSES.items()},
    **{name: _removed("CTX103", None, fails) for name, fails in _PRIVATE_POLICY.items()},
    "BaseChildWatcher": _removed("CTX202", None, _3_14),
}
"""The names of ``asyncio.events``, ``asyncio.unix_events`` and the like; a star import sees the public ones so too."""

REMOVED_NAMES = frozenset(IN_SUBMODULES)

LOOP_ARGUMENTS = frozenset(
    {
        *("BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore"),
        *("LifoQueue", "PriorityQueue", "Queue"),
        *("as_completed", "gather", "shield", "sleep", "wait", "wait_for"),
        *("create_subprocess_exec", "create_subprocess_shell"),
        *("open_connection", "open_unix_connection", "start_server", "start_unix_server"),
    }
)
"""What took ``loop=`` up to 3.9 and has refused it since 3.10."""

DRIVES = frozenset(("run_until_complete", "run_forever"))
"""The methods of a loop that run it."""

ADDED: dict[str, Version] = {
    **dict.fromkeys(("all_tasks", "create_task", "current_task", "get_running_loop", "run"), Version(3, 7)),
    "to_thread": Version(3, 9),
    **dict.fromkeys(("Barrier", "Runner", "TaskGroup", "timeout", "timeout_at"), Version(3, 11)),
    "eager_task_factory": Version(3, 12),
    **dict.fromkeys(("EventLoop", "QueueShutDown"), Version(3, 13)),
}
"""Since when asyncio has what programs look for with ``hasattr``."""

SUBMODULES = frozenset(
    {
        *("events", "unix_events", "windows_events"),
        *("base_events", "proactor_events", "selector_events"),
        *("base_futures", "base_subprocess", "base_tasks", "futures", "subprocess", "tasks"),
        *("locks", "mixins", "queues", "runners", "streams", "taskgroups", "threads", "timeouts"),
        *("constants", "coroutines", "exceptions", "format_helpers", "log", "protocols", "sslproto"),
        *("staggered", "transports", "trsock", "windows_utils"),
    }
)


def asyncio_name(path: str) -> str | None:
    """Give the last part of a dotted path into asyncio: ``Queue`` for ``asyncio.queues.Queue``; else ``None``."""
    module, _, name = path.rpartition(".")
    top, *below = module.split(".")
    return name if top == "asyncio" and SUBMODULES.issuperset(below) else None


def removed(path: str) -> Removed | None:
    """Look up a dotted path among the removed names."""
    module, _, name = path.rpartition(".")
    if module == POLICY:
        return _WATCHER_FUNCTIONS.get(name)
    names = IN_ASYNCIO if module == "asyncio" else IN_SUBMODULES
    return names.get(name) if asyncio_name(path) else None


def star_removed(name: str) -> Removed | None:
    """Look up a name that ``from asyncio import *`` gives, or gave."""
    return IN_SUBMODULES[name] if name in IN_ASYNCIO else None
