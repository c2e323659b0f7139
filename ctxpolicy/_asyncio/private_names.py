"""The private names of asyncio, and of the modules it is built on, that ctxpolicy uses.

Only modules in ``_asyncio/`` may use these names; ``tests/test_layers.py`` checks this. A new version of Python may
change any of them.
"""

from __future__ import annotations

from typing import Final

__all__ = ["PRIVATE_NAMES"]

PRIVATE_NAMES: Final = frozenset(
    {
        # policies
        "_BaseDefaultEventLoopPolicy",
        "_DefaultEventLoopPolicy",
        "_Local",
        "_event_loop_policy",
        "_init_event_loop_policy",
        "_init_watcher",
        "_local",
        "_loop",
        "_loop_factory",
        "_set_called",
        "_watcher",
        # the running loop and the current task
        "_enter_task",
        "_get_event_loop",
        "_get_running_loop",
        "_leave_task",
        "_set_running_loop",
        # loops
        "_asyncgens",
        "_csock",
        "_default_executor",
        "_internal_fds",
        "_make_self_pipe",
        "_ready",
        "_scheduled",
        "_signal_handlers",
        "_ssock",
        "_thread_id",
        "_transports",
        "_unix_server_sockets",
        # selectors
        "_fd_to_key",
        "_selector",
        # tasks, futures and handles
        "_all_tasks",
        "_args",
        "_callback",
        "_callbacks",
        "_eager_tasks",
        "_log_destroy_pending",
        "_scheduled_tasks",
        "_source_traceback",
        # the rest
        "_cancel_all_tasks",
        "_data",
        "_is_debug_mode",
    }
)
