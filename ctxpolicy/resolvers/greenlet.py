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
    """A context is a greenlet, or the main greenlet of a thread; a new greenlet starts without a loop.

    The binding of a greenlet is an attribute of the greenlet, and is dropped with the greenlet. A main greenlet lives
    as long as its thread. Its binding is in a thread-local of the resolver, and is dropped with the thread or the
    resolver. The package ``greenlet`` must be installed (``pip install "ctxpolicy[greenlet]"``).

    Args:
        running: whether asyncio's running loop and current task are also kept per greenlet, while a policy with this
            resolver is in force. ``True``: a loop that runs in one greenlet of a thread does not count as running in
            the other greenlets.
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
        """Return whether a greenlet other than the thread's main greenlet runs here."""
        return self._current().parent is not None

    def describe(self) -> str:
        """Return a name that has the id of the greenlet and the name of the thread."""
        kind = "greenlet" if self.applies() else "main greenlet"
        return f"{kind} {id(self._current()):#x} in thread {thread_name()}"

    def installed(self) -> None:
        """Start to keep the running loop per greenlet, in this thread and in each thread that gets or sets its loop."""
        if self._marker is not None:
            self._marker.start()

    def uninstalled(self) -> None:
        """Stop keeping the running loop per greenlet."""
        if self._marker is not None:
            self._marker.stop()

    def _place(self) -> Any:
        if self._marker is not None:
            self._marker.track()
        current = self._current()
        return self._main if current.parent is None else current
