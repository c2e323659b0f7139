"""The present thread: whether it is the main thread, and its name in messages."""

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
    """Return the text for a thread in messages: its name in quotes, else its ident.

    Args:
        ident: the ident of the thread; ``None``: the present thread.
    """
    if ident is None:
        ident = threading.get_ident()
    # Not current_thread(), which creates a dummy thread when a finalizer calls it at the end of a thread (Python 3.10
    # to 3.13). Not enumerate(), which takes a lock, and 1 us more for each leased loop.
    thread = threading._active.get(ident)  # type: ignore[attr-defined]
    return f"with ident {ident}" if thread is None else repr(thread.name)


def thread_and_context(resolver: Any) -> str:
    """Return the text for the present thread in messages, with the present context if ``resolver`` can describe it."""
    thread = f"in thread {thread_name()}"
    try:
        return f"{thread}, for {resolver.describe()}"
    except Exception:  # noqa: BLE001 - `resolver` may be broken, which is reported here, or not be a resolver
        return thread
