"""Finds the calling code: the first frame of the stack that belongs neither to asyncio nor to ctxpolicy."""

from __future__ import annotations

import sys
from asyncio import runners
from types import CodeType, FrameType

__all__ = ["Place", "caller", "caller_place", "creation_place", "describe_caller", "format_place", "start_place"]

_RUNNERS = vars(runners)
# The depth of asyncio's runner in the stack of creation_place(). Between the two are record_creation(), and the
# new_event_loop() of the policy and of asyncio.
_RUNNER_DEPTH = 4
_OURS = ("asyncio.", "ctxpolicy.")
# A place in the code. Not a string, because a place is recorded for every loop and lease, but printed for few of them.
Place = tuple[CodeType, int]


def caller(beyond: CodeType | None = None) -> tuple[FrameType | None, int]:
    """Find the code that called into asyncio or ctxpolicy.

    Args:
        beyond: the code of a function (the ``getter`` of a plugin). If it is on the stack, its frame and the frames
            that it called are skipped.

    Returns:
        the frame of the calling code (``None`` if there is none), and a ``stacklevel``. With it, ``warnings.warn()`` in
        the caller of this function attributes a warning to that frame.
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
    """Return the place of the code that called into asyncio or ctxpolicy, ``None`` if there is none."""
    return _place_of(_outside(sys._getframe(1)))


def creation_place() -> Place | None:
    """Return the place of the code that is creating a loop, above the functions that call this one.

    Returns:
        the place; ``None`` if asyncio's runner creates the loop. The caller of the runner stays on the stack while the
        loop runs, where :func:`start_place` finds it. Searching for it at each start takes 4 % of an ``asyncio.run()``.
    """
    try:
        if sys._getframe(_RUNNER_DEPTH).f_globals is _RUNNERS:
            return None
    except ValueError:
        pass  # the stack is not that deep
    return _place_of(_outside(sys._getframe(1)))


def start_place(loop: object) -> Place | None:
    """Return the place of the code that runs ``loop``, in any thread; ``None`` if the loop is not running."""
    for top in sys._current_frames().values():
        frame: FrameType | None = top
        while frame is not None and not _is_run_of(loop, frame):
            frame = frame.f_back
        outside = _outside(frame)
        if outside is not None:
            return _place_of(outside)
    return None


def describe_caller() -> str:
    """Return the place of the calling code as text: ``file:line in function``."""
    return format_place(_place_of(_outside(sys._getframe(1))))


def format_place(place: Place | None) -> str:
    """Return ``place`` as text: ``file:line in function``, or ``"an unknown place"`` for ``None``."""
    if place is None:
        return "an unknown place"
    code, line = place
    return f"{code.co_filename}:{line} in {code.co_name}"


def _outside(frame: FrameType | None) -> FrameType | None:
    """Return the first frame, from ``frame`` outwards, that belongs neither to asyncio nor to ctxpolicy."""
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
