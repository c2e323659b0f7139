"""A resolver with only the two methods that every resolver must have."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from threading import local

from ctxpolicy import ContextResolver


class Plain(ContextResolver):
    """A resolver whose contexts are threads."""

    def __init__(self) -> None:
        self._slot = local()

    def get(self) -> AbstractEventLoop | None:
        return getattr(self._slot, "loop", None)

    def set(self, loop: AbstractEventLoop | None) -> None:
        self._slot.loop = loop
