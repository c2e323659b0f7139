"""Who called: the first frame of the stack that is neither asyncio's nor ours."""

from __future__ import annotations

import sys
from collections.abc import Container
from types import CodeType, FrameType

__all__ = ["caller", "where"]

_OURS = ("asyncio", "ctxpolicy")


def caller(skip: Container[CodeType] = ()) -> tuple[FrameType | None, int]:
    """Find the code that called into asyncio or ctxpolicy.

    Args:
        skip: code objects whose frames do not count either (a plugin's ``getter``).

    Returns:
        its frame (``None`` where there is none) and the ``stacklevel`` that a ``warnings.warn`` in the function which
        calls this one needs to blame it.
    """
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and (frame.f_code in skip or _is_ours(frame.f_globals.get("__name__"))):
        frame = frame.f_back
        level += 1
    return frame, level


def where() -> str:
    """Say where the caller is: ``file:line in function``."""
    frame, _ = caller()
    if frame is None:
        return "unknown"
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def _is_ours(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in _OURS
