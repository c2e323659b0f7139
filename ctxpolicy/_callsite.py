"""Who called: the first frame of the stack that is neither asyncio's nor ours."""

from __future__ import annotations

import sys
from asyncio import runners
from types import CodeType, FrameType

__all__ = ["Place", "caller", "caller_place", "in_words", "maker", "starter", "where"]

_RUNNERS = vars(runners)
# Above maker(), record_creation(), the policy's new_event_loop() and asyncio's.
_RUNNER_IS_AT = 4
_OURS = ("asyncio.", "ctxpolicy.")
# Where a piece of code is. Not a string: that is made for every loop and lease, and read for few.
Place = tuple[CodeType, int]


def caller(beyond: CodeType | None = None) -> tuple[FrameType | None, int]:
    """Find the code that called into asyncio or ctxpolicy.

    Args:
        beyond: where a frame of this code is on the stack (a plugin's ``getter``), neither it nor what it has called
            counts.

    Returns:
        its frame (``None`` where there is none) and the ``stacklevel`` that a ``warnings.warn`` in the function which
        calls this one needs to blame it.
    """
    frame: FrameType | None = sys._getframe(1)
    level = 1
    within = _is_on_stack(beyond, frame)
    while frame is not None and (within or _is_ours(frame)):
        within = within and frame.f_code is not beyond
        frame = frame.f_back
        level += 1
    return frame, level


def caller_place() -> Place | None:
    """Find the code that called into asyncio or ctxpolicy; return where it is, ``None`` where there is none."""
    return _place_of(_outside(sys._getframe(1)))


def maker() -> Place | None:
    """Find the code that has a loop made, above the functions that call this one.

    Returns:
        where it is; ``None`` where it is asyncio's runner: what called that is on the stack as long as the loop runs
        (see :func:`starter`), and to look for it at each start takes 4 % of an ``asyncio.run()``.
    """
    try:
        if sys._getframe(_RUNNER_IS_AT).f_globals is _RUNNERS:
            return None
    except ValueError:
        pass  # the stack is not that deep
    return _place_of(_outside(sys._getframe(1)))


def starter(loop: object) -> Place | None:
    """Find the code that runs ``loop``, in whatever thread; ``None`` where it is not running."""
    for frame in sys._current_frames().values():
        here: FrameType | None = frame
        while here is not None and not _is_run_of(loop, here):
            here = here.f_back
        outside = _outside(here)
        if outside is not None:
            return _place_of(outside)
    return None


def where() -> str:
    """Say where the caller is: ``file:line in function``."""
    return in_words(_place_of(_outside(sys._getframe(1))))


def in_words(place: Place | None) -> str:
    """Return ``file:line in function``, ``"an unknown place"`` for ``None``."""
    if place is None:
        return "an unknown place"
    code, line = place
    return f"{code.co_filename}:{line} in {code.co_name}"


def _outside(frame: FrameType | None) -> FrameType | None:
    """Return the first frame from ``frame`` on that is neither asyncio's nor ours."""
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    return frame


def _place_of(frame: FrameType | None) -> Place | None:
    return None if frame is None else (frame.f_code, frame.f_lineno)


def _is_on_stack(code: CodeType | None, frame: FrameType | None) -> bool:
    if code is None:
        return False
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


def _is_run_of(loop: object, frame: FrameType) -> bool:
    return frame.f_code.co_name == "run_forever" and frame.f_locals.get("self") is loop


def _is_ours(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__")
    return isinstance(name, str) and f"{name}.".startswith(_OURS)
