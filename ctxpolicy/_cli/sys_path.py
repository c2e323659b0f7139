"""What stands first in ``sys.path``, and when: the folder of the program, or where Python and its packages are."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

__all__ = ["ours_first", "put_first"]


def put_first(folder: str, *, even_if_safe: bool = False) -> None:
    """Put ``folder`` where python puts the folder of the program: before all else in ``sys.path``.

    Args:
        folder: it takes the place of what python has put there for ctxpolicy itself, if it has: ``-P`` and ``-I``
            forbid it.
        even_if_safe: put it there even so.
    """
    if _puts_first():
        sys.path[0] = folder
    elif even_if_safe:
        sys.path.insert(0, folder)


@contextlib.contextmanager
def ours_first(*, even_if_safe: bool = False) -> Iterator[None]:
    """Have what stands there stand last for the block.

    So what ctxpolicy imports on its own account (and what that imports) is not looked for beside the program, which may
    well have an ``email.py``; what is to be had only there is found all the same.

    Args:
        even_if_safe: as it was given to :func:`put_first`.
    """
    if not (_puts_first() or even_if_safe):
        yield
        return
    folder = sys.path.pop(0)
    sys.path.append(folder)
    try:
        yield
    finally:
        del sys.path[len(sys.path) - 1 - sys.path[::-1].index(folder)]  # its last place, which need not be the end
        sys.path.insert(0, folder)


def _puts_first() -> bool:
    return not getattr(sys.flags, "safe_path", sys.flags.isolated)  # Python 3.10 has no -P
