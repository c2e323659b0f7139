"""The loop that asyncio creates implicitly up to Python 3.13: once, in the main thread, if no loop was ever set."""

from __future__ import annotations

import warnings
from asyncio import AbstractEventLoop
from collections.abc import Callable
from types import CodeType
from typing import final

from ctxpolicy._asyncio.capabilities import CREATES_IMPLICITLY, CREATION_WARNS
from ctxpolicy._asyncio.forked_loops import keep_alive
from ctxpolicy._callsite import caller
from ctxpolicy._threads import is_main_thread

__all__ = ["LegacyLoop"]


@final
class LegacyLoop:
    """The legacy loop of one policy: one loop for all contexts of the main thread that have none.

    The loop is kept alive until it is closed, as asyncio's policy keeps its loop. The reason is that all contexts to
    which it is bound may end before the work that is scheduled on it has run.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: AbstractEventLoop | None = None

    @staticmethod
    def may_be_created() -> bool:
        """Return whether asyncio of this Python creates a loop implicitly in this thread."""
        return CREATES_IMPLICITLY and is_main_thread()

    def get(self) -> AbstractEventLoop | None:
        """Return the loop, ``None`` if it does not exist or is closed."""
        if self._kept is not None and self._kept.is_closed():
            self._kept = None
        return self._kept

    def get_or_create(self, create: Callable[[], AbstractEventLoop], getter: CodeType | None) -> AbstractEventLoop:
        """Return the loop; if it does not exist, create it, with the warning of Python 3.12 and 3.13.

        Args:
            create: the factory of the loop.
            getter: the code of the policy's getter. The warning is attributed to the caller of the getter.
        """
        loop = self.get()
        if loop is None:
            if CREATION_WARNS:
                _, level = caller(beyond=getter)
                warnings.warn("There is no current event loop", DeprecationWarning, stacklevel=level)
            loop = self._kept = create()
        return loop

    def after_fork(self) -> None:
        """Forget the parent's loop; called in a forked child."""
        if self._kept is not None:
            keep_alive(self._kept)
            self._kept = None
