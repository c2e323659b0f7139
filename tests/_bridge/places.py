"""Places where sync code runs: threads that make one call at a time, and contextvars contexts and greenlets in them."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Hashable
from queue import SimpleQueue
from typing import Any

from tests.support.policies import returned
from tests.support.resolver_cases import ResolverCase, tenant

__all__ = ["Place", "Worker"]


class Worker:
    """A thread that calls functions, one after the other, and keeps no reference to them or to their results."""

    def __init__(self) -> None:
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._outbox: SimpleQueue[Any] = SimpleQueue()
        self.thread = threading.Thread(target=self._work, daemon=True)
        # An empty context, because with -X thread_inherit_context=1 a thread starts in a copy of its creator's context.
        contextvars.Context().run(self.thread.start)

    @property
    def ident(self) -> int:
        assert self.thread.ident is not None
        return self.thread.ident

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call ``function(*args)`` in the thread, and return its result or raise its exception."""
        self._inbox.put((function, args))
        del function, args
        return returned(self._outbox.get())

    def end(self) -> None:
        """End the thread."""
        self._inbox.put(None)
        self.thread.join()

    def _work(self) -> None:
        while self._serve(self._inbox.get()):
            pass

    def _serve(self, job: Any) -> bool:
        if job is None:
            return False
        function, args = job
        try:
            outcome = (function(*args), None)
        except BaseException as error:  # noqa: BLE001 - it is raised in the calling thread
            outcome = (None, error)
        del job, function, args  # before the caller continues
        self._outbox.put(outcome)
        del outcome  # the traceback of an error refers to this frame, which would refer to the error
        return True


class Place:
    """A thread, a contextvars context, a tenant and, for resolvers by greenlet, a greenlet.

    Args:
        case: the resolver.
        worker: the thread.
        parent: the place whose contextvars context is copied; ``None``: the context is empty.
        name: the tenant.
    """

    def __init__(self, case: ResolverCase, worker: Worker, parent: Place | None, name: str | None) -> None:
        self.worker = worker
        self.context = contextvars.Context() if parent is None else parent.context.copy()
        self.name = name
        self._case = case
        self._greenlet: Any = None
        self.context.run(tenant.set, name)

    @property
    def slot(self) -> Hashable:
        """The identity of the context for the resolver. It is equal for all places in one context."""
        match self._case.name:
            case "contextvar" | "contextvar-any-thread" | "greenlet":
                return self
            case "process":
                return "process"
            case "keyed" if self.name is not None:
                return self.name, self.worker
            case "keyed-shared" if self.name is not None:
                return self.name
        return self.worker

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call ``function(*args)`` in this place, and return its result or raise its exception."""
        if self._case.name != "greenlet":
            return self.worker.call(self.context.run, function, *args)
        return self.worker.call(self._switch, self.context.run, function, *args)

    def end(self) -> None:
        """Drop the contextvars context, and end the greenlet."""
        if self._greenlet is not None:
            self.worker.call(self._greenlet.throw)
        del self.context, self._greenlet

    def _switch(self, function: Callable[..., Any], *args: Any) -> Any:
        import greenlet

        if self._greenlet is None:
            self._greenlet = greenlet.greenlet(_serve)
        else:
            assert self._greenlet
        return returned(self._greenlet.switch(function, args))


def _serve(function: Any, args: Any) -> None:
    """Call one function after the other in a greenlet."""
    import greenlet

    parent = greenlet.getcurrent().parent
    while True:
        try:
            outcome = (function(*args), None)
        except Exception as error:  # noqa: BLE001 - it is raised in the calling greenlet
            outcome = (None, error)
        del function, args
        returned_outcome, outcome = outcome, None
        function, args = parent.switch(returned_outcome)
