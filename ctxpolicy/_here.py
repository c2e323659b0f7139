"""Say where something went wrong, for messages: in which thread, for which context."""

from __future__ import annotations

from typing import Any

from ctxpolicy._threads import thread_name

__all__ = ["here"]


def here(resolver: Any) -> str:
    """Return how messages call the present thread, and the present context as ``resolver`` names it, if it can."""
    thread = f"in thread {thread_name()}"
    try:
        return f"{thread}, for {resolver.describe()}"
    except Exception:  # that may be the reason of what went wrong; or it is no resolver  # noqa: BLE001
        return thread
