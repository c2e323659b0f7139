"""Name the present thread, also where the threading module no longer (or not yet) knows it."""

from __future__ import annotations

import threading

__all__ = ["thread_name"]


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
