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
    """A context is a greenlet; the main greenlet of a thread is one too. A new greenlet starts without a loop.

    The binding of a greenlet is an attribute of the greenlet, and is dropped with it. The binding of a main greenlet,
    which lives as long as its thread, is in a thread-local of the resolver, and is dropped when the thread or the
    resolver is gone. Needs the package ``greenlet`` (``pip install "ctxpolicy[greenlet]"``).

    Args:
        running: whether asyncio's running loop and current task are per greenlet too, while a policy with this resolver
            is in force. Then a loop that runs in one greenlet of a thread does not count as running in the others.
    """

    _one_thread = True

    def __init__(self, running: bool = False) -> None:
        if not isinstance(running, bool):  # for example the text "off" from the command line
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
        """Return whether a greenlet other than the main one of the thread runs here."""
        return self._current().parent is not None

    def describe(self) -> str:
        """Return the id of the greenlet and the name of the thread."""
        kind = "greenlet" if self.applies() else "main greenlet"
        return f"{kind} {id(self._current()):#x} in thread {thread_name()}"

    def installed(self) -> None:
        """Keep the running loop per greenlet from now on, in this thread and in each thread that asks for its loop."""
        if self._marker is not None:
            self._marker.start()

    def uninstalled(self) -> None:
        """Leave the running loop to asyncio again."""
        if self._marker is not None:
            self._marker.stop()

    def _place(self) -> Any:
        if self._marker is not None:
            self._marker.track()
        current = self._current()
        return self._main if current.parent is None else current
