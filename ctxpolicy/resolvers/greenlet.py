"""A context is a greenlet."""

from __future__ import annotations

from itertools import count
from typing import Final

from ctxpolicy._binding import Binding
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import OptionError
from ctxpolicy.resolvers.slot import SlotResolver

__all__ = ["GreenletResolver"]

_serial: Final = count()


class GreenletResolver(SlotResolver):
    """A context is a greenlet (each thread's main one too); a new one starts empty.

    A greenlet's binding is kept as an attribute of it, and goes with it. Needs the package ``greenlet``
    (``pip install "ctxpolicy[greenlet]"``).
    """

    def __init__(self) -> None:
        try:
            import greenlet
        except ImportError as error:
            raise OptionError(
                "the resolver 'greenlet' needs the package greenlet: pip install 'ctxpolicy[greenlet]'"
            ) from error
        self._current = greenlet.getcurrent
        self._slot = f"_ctxpolicy_binding_{next(_serial)}"

    def load(self) -> Binding | None:
        """Return the binding of this greenlet."""
        return getattr(self._current(), self._slot, None)

    def store(self, binding: Binding | None) -> None:
        """Keep ``binding`` as long as this greenlet lives."""
        setattr(self._current(), self._slot, binding)

    def applies(self) -> bool:
        """Tell whether a greenlet other than the thread's main one runs here."""
        return self._current().parent is not None

    def describe(self) -> str:
        """Name the greenlet and the thread."""
        kind = "greenlet" if self.applies() else "main greenlet"
        return f"{kind} {id(self._current()):#x} in thread {thread_name()}"
