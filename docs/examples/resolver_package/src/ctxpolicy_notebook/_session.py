"""A notebook session: its names, and its cells, which run one after the other."""

import threading
from contextlib import contextmanager
from contextvars import ContextVar

current_session = ContextVar("current_session", default=None)


class Session:
    """An open notebook. A server keeps a session for each, and runs their cells in a pool of threads."""

    def __init__(self, name):
        self.name = name
        self.names = {}
        self.binding = None  # set by NotebookResolver
        self._one_cell_at_a_time = threading.RLock()

    def run_cell(self, source):
        """Run the source of a cell, in this thread."""
        with self.present():
            exec(source, self.names)

    @contextmanager
    def present(self):
        """Make this the present session in the block."""
        with self._one_cell_at_a_time:
            token = current_session.set(self)
            try:
                yield
            finally:
                current_session.reset(token)

    def close(self):
        """Forget the names, and close a loop that was leased to the session."""
        with self._one_cell_at_a_time:
            self.names.clear()
            binding, self.binding = self.binding, None
            if binding is not None and binding.lease is not None:
                binding.lease.release()  # at once, also on PyPy and where something else refers to it

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self.close()
