"""A context is a greenlet."""

from __future__ import annotations

import threading
from itertools import count
from typing import Any, Final

from ctxpolicy._loops.lease import Binding
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import OptionError
from ctxpolicy.resolvers.slot import SlotResolver

__all__ = ["GreenletResolver"]

_serial: Final = count()


class GreenletResolver(SlotResolver):
    """A context is a greenlet (each thread's main one too); a new one starts empty.

    A greenlet's binding is kept as an attribute of it, and goes with it; a main greenlet, which lives as long as its
    thread, has it in a thread-local of the resolver, and it goes with that too. Needs the package ``greenlet``
    (``pip install "ctxpolicy[greenlet]"``).

    Args:
        running: keep asyncio's running marker and current task per greenlet too, while a policy with this resolver is
            in force, so that a loop that runs in one greenlet of a thread is not seen as running in the others.
    """

    _one_thread = True

    def __init__(self, running: bool = False) -> None:
        if not isinstance(running, bool):  # such as the text that "off" is on the command line
            raise OptionError(f"running must be True or False, not {running!r}")
        try:
            import greenlet

            from ctxpolicy._asyncio import running_per_greenlet
        except ImportError as error:
            raise OptionError(
                "the resolver 'greenlet' needs the package greenlet: pip install 'ctxpolicy[greenlet]'"
            ) from error
        self._current = greenlet.getcurrent
        self._slot = f"_ctxpolicy_binding_{next(_serial)}"
        self._main = threading.local()
        self._marker = running_per_greenlet if running else None

    def load(self) -> Binding | None:
        """Return the binding of this greenlet."""
        return getattr(self._place(), self._slot, None)

    def store(self, binding: Binding | None) -> None:
        """Keep ``binding`` as long as this greenlet lives."""
        setattr(self._place(), self._slot, binding)

    def applies(self) -> bool:
        """Tell whether a greenlet other than the thread's main one runs here."""
        return self._current().parent is not None

    def describe(self) -> str:
        """Name the greenlet and the thread."""
        kind = "greenlet" if self.applies() else "main greenlet"
        return f"{kind} {id(self._current()):#x} in thread {thread_name()}"

    def installed(self) -> None:
        """Begin to keep the running marker per greenlet, in this thread and in each that asks for its loop."""
        if self._marker is not None:
            self._marker.start()

    def uninstalled(self) -> None:
        """Leave asyncio's running marker to asyncio again."""
        if self._marker is not None:
            self._marker.stop()

    def _place(self) -> Any:
        if self._marker is not None:
            self._marker.track()
        current = self._current()
        return self._main if current.parent is None else current
