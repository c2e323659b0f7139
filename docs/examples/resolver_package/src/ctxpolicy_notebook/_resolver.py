"""The resolver: a context is the notebook session whose cell is running."""

import threading

from ctxpolicy import SlotResolver
from ctxpolicy_notebook._session import current_session


class NotebookResolver(SlotResolver):
    """A context is the notebook session whose cell runs, or the thread where none runs; each starts without a loop."""

    # The cells of a session run one at a time, in different threads, and all use the same loop.
    any_thread = True

    def __init__(self):
        self._thread = threading.local()

    def load(self):
        return getattr(current_session.get() or self._thread, "binding", None)

    def store(self, binding):
        (current_session.get() or self._thread).binding = binding

    def applies(self):
        return current_session.get() is not None

    def describe(self):
        session = current_session.get()
        if session is None:
            return f"thread {threading.current_thread().name!r}, outside any notebook session"
        return f"notebook session {session.name!r}"
