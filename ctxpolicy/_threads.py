"""The present thread: whether it is the main thread, and how messages call it."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["is_main_thread", "thread_and_context", "thread_name"]


def is_main_thread() -> bool:
    """Return whether the present thread is the main thread.

    Idents are compared, because ``threading.current_thread()`` creates a dummy thread when a finalizer calls it at the
    end of a thread.
    """
    return threading.get_ident() == threading.main_thread().ident


def thread_name(ident: int | None = None) -> str:
    """Return how messages call a thread: its name in quotes, else its ident.

    Args:
        ident: the ident of the thread; ``None``: the present thread.
    """
    if ident is None:
        ident = threading.get_ident()
    # Not current_thread(): it creates a dummy thread when a finalizer calls it at the end of a thread (Python 3.10 to
    # 3.13). Not enumerate(): it takes a lock, and 1 us more for each loop that is leased.
    thread = threading._active.get(ident)  # type: ignore[attr-defined]
    return f"with ident {ident}" if thread is None else repr(thread.name)


def thread_and_context(resolver: Any) -> str:
    """Return how messages call the present thread, and the present context if ``resolver`` can describe it."""
    thread = f"in thread {thread_name()}"
    try:
        return f"{thread}, for {resolver.describe()}"
    except Exception:  # noqa: BLE001 - this may be the very error that is reported, or no resolver at all
        return thread
