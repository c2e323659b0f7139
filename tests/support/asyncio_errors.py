"""Record the errors that asyncio logs: asyncio logs an exception that it cannot raise anywhere."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["MARKER", "AsyncioErrors"]

# The marker of a test that makes asyncio log an error. Its only argument is the reason.
MARKER: Final = "logs_asyncio_errors"


class AsyncioErrors(logging.Handler):
    """Collects the records of level ERROR and above that the logger `asyncio` handles.

    A record may come from any thread, and from a finalizer. `emit()` therefore only appends to a list.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._messages: list[str] = []
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text of the record, not the record, whose traceback would keep the objects of its frames alive."""
        self._messages.append(self._formatter.format(record))

    def take(self) -> list[str]:
        """Return the messages since the last call."""
        taken, self._messages = self._messages, []
        return taken

    def attach(self) -> None:
        """Start to record."""
        logging.getLogger("asyncio").addHandler(self)

    def detach(self) -> None:
        """Stop recording."""
        logging.getLogger("asyncio").removeHandler(self)
