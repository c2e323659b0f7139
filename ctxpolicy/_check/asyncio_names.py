"""The names that asyncio removed or added: their modules, and the Python versions that warn about them or lack them.

The tables were taken from the asyncio of each Python from 3.8 to 3.15. For 3.16, which removes the policy system, they
were taken from CPython's main branch. The tests compare the tables with the asyncio that they run on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from ctxpolicy._check.catalog import GET_POLICY, LOOP_CLASS, RULES
from ctxpolicy._check.report import Version

POLICY_INSTANCE = "<policy>"
"""Stands for a policy instance in a dotted path, as in ``<policy>.get_child_watcher``."""


@final
@dataclass(frozen=True)
class RemovedName:
    """A name that asyncio has removed or will remove.

    Attributes:
        code: The code of the rule that reports the name.
        warns: The first Python version that warns when the name is used; ``None`` if no version warns.
        fails: The first Python version without the name.
        replacement: The code to write instead.
    """

    code: str
    warns: Version | None
    fails: Version
    replacement: str


def _entry(code: str, warns: Version | None, fails: Version, replacement: str | None = None) -> RemovedName:
    return RemovedName(code, warns, fails, replacement or RULES[code].replacement)


_3_12, _3_14, _3_16 = Version(3, 12), Version(3, 14), Version(3, 16)

_POLICY_FUNCTIONS = {
    "get_event_loop_policy": _entry("CTX101", _3_14, _3_16, GET_POLICY),
    "set_event_loop_policy": _entry("CTX101", _3_14, _3_16),
}

_POLICY_CLASSES = {
    "AbstractEventLoopPolicy": RULES["CTX102"].replacement,
    "DefaultEventLoopPolicy": LOOP_CLASS.format("new_event_loop", "new_event_loop"),
    "WindowsSelectorEventLoopPolicy": LOOP_CLASS.format("SelectorEventLoop", "SelectorEventLoop"),
    "WindowsProactorEventLoopPolicy": LOOP_CLASS.format("ProactorEventLoop", "ProactorEventLoop"),
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

_WATCHER_FUNCTIONS = {name: _entry("CTX201", _3_12, _3_14) for name in ("get_child_watcher", "set_child_watcher")}

_WATCHERS = {
    "AbstractChildWatcher": _3_12,
    "FastChildWatcher": _3_12,
    "MultiLoopChildWatcher": _3_12,
    "SafeChildWatcher": _3_12,
    # asyncio used these two by default, and removed them without a warning.
    "PidfdChildWatcher": None,
    "ThreadedChildWatcher": None,
}

IN_ASYNCIO: dict[str, RemovedName] = {
    **_POLICY_FUNCTIONS,
    **{name: _entry("CTX102", _3_14, _3_16, text) for name, text in _POLICY_CLASSES.items()},
    **_WATCHER_FUNCTIONS,
    **{name: _entry("CTX202", warns, _3_14) for name, warns in _WATCHERS.items()},
}
"""The names in the package ``asyncio`` itself."""

IN_SUBMODULES: dict[str, RemovedName] = {
    **IN_ASYNCIO,
    # In 3.14 and 3.15 only the package has the policy classes, through its module-level __getattr__.
    **{name: _entry("CTX102", None, _3_14, text) for name, text in _POLICY_CLASSES.items()},
    **{name: _entry("CTX103", None, fails) for name, fails in _PRIVATE_POLICY.items()},
    "BaseChildWatcher": _entry("CTX202", None, _3_14),
}
"""The names in ``asyncio.events``, ``asyncio.unix_events`` and similar modules.

A star import of asyncio finds the public names as these modules do.
"""

REMOVED_NAMES = frozenset(IN_SUBMODULES)

REFUSE_LOOP_ARGUMENT = frozenset(
    {
        *("BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore"),
        *("LifoQueue", "PriorityQueue", "Queue"),
        *("as_completed", "gather", "shield", "sleep", "wait", "wait_for"),
        *("create_subprocess_exec", "create_subprocess_shell"),
        *("open_connection", "open_unix_connection", "start_server", "start_unix_server"),
    }
)
"""The functions and classes that accepted ``loop=`` up to 3.9 and refuse it since 3.10."""

RUN_METHODS = frozenset(("run_until_complete", "run_forever"))
"""The event loop methods that run the loop."""

ADDED: dict[str, Version] = {
    **dict.fromkeys(("all_tasks", "create_task", "current_task", "get_running_loop", "run"), Version(3, 7)),
    "to_thread": Version(3, 9),
    **dict.fromkeys(("Barrier", "Runner", "TaskGroup", "timeout", "timeout_at"), Version(3, 11)),
    "eager_task_factory": Version(3, 12),
    **dict.fromkeys(("EventLoop", "QueueShutDown"), Version(3, 13)),
}
"""The first version with each name that programs look up with ``hasattr``."""

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
    """Return the last part of a dotted path into asyncio; ``None`` for other paths.

    For example, ``asyncio.queues.Queue`` gives ``Queue``.
    """
    module, _, name = path.rpartition(".")
    top, *below = module.split(".")
    return name if top == "asyncio" and SUBMODULES.issuperset(below) else None


def find_removed(path: str) -> RemovedName | None:
    """Return the removed name that a dotted path stands for, if any."""
    module, _, name = path.rpartition(".")
    if module == POLICY_INSTANCE:
        return _WATCHER_FUNCTIONS.get(name)
    names = IN_ASYNCIO if module == "asyncio" else IN_SUBMODULES
    return names.get(name) if asyncio_name(path) else None


def find_star_removed(name: str) -> RemovedName | None:
    """Return the removed name that ``from asyncio import *`` binds, or used to bind, to this name."""
    return IN_SUBMODULES[name] if name in IN_ASYNCIO else None
