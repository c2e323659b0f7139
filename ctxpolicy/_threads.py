"""Name the present thread, and say where something went wrong."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["is_main_thread", "thread_and_context", "thread_name"]


def is_main_thread() -> bool:
    """Return whether the present thread is the main thread.

    By idents, because ``threading.current_thread()`` makes a dummy thread in a finalizer that runs at a thread's end.
    """
    return threading.get_ident() == threading.main_thread().ident


def thread_name(ident: int | None = None) -> str:
    """Return how messages call a thread: its name in quotes, else its ident.

    Args:
        ident: the thread's ident, the present thread's if ``None``.
    """
    if ident is None:
        ident = threading.get_ident()
    # Not current_thread(): in a finalizer at a thread's end it makes a dummy thread (Python 3.10 to 3.13). Nor
    # enumerate(), which takes a lock and 1 us more, for each loop that is leased.
    thread = threading._active.get(ident)  # type: ignore[attr-defined]
    return f"with ident {ident}" if thread is None else repr(thread.name)


def thread_and_context(resolver: Any) -> str:
    """Return how messages call the present thread, and the present context as ``resolver`` names it, if it can."""
    thread = f"in thread {thread_name()}"
    try:
        return f"{thread}, for {resolver.describe()}"
    except Exception:  # that may be the reason of what went wrong; or it is no resolver  # noqa: BLE001
        return thread
