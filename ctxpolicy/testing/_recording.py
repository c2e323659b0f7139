"""A test double: a resolver around another one that records what it is asked, and can be told what to answer."""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

from ctxpolicy.errors import OptionError
from ctxpolicy.resolvers.base import ContextResolver, LoopFactory
from ctxpolicy.resolvers.delegating import DelegatingResolver
from ctxpolicy.resolvers.thread import ThreadResolver

__all__ = ["Call", "RecordingResolver"]

T = TypeVar("T")


class Call(NamedTuple):
    """One call of a method of a :class:`RecordingResolver`.

    Attributes:
        method: its name. What ``asyncio.set_event_loop()`` does is recorded as ``"set"``.
        arguments: what it was given.
        answer: what it returned, ``None`` where it raised.
        error: what it raised, ``None`` where it returned.
        thread: the name of the thread that called.
    """

    method: str
    arguments: tuple[Any, ...]
    answer: Any
    error: BaseException | None
    thread: str


class RecordingResolver(DelegatingResolver):
    """Records every call, answers as it is told to, and else passes the call on.

    Args:
        resolver: answers what :meth:`script` does not; by default a ``ThreadResolver()``.

    Attributes:
        calls: what was called, oldest first. It keeps alive what was given and answered: clear it at will.
    """

    scriptable: Final = frozenset({"get", "set", "new", "lease", "applies", "describe", "installed", "uninstalled"})

    def __init__(self, resolver: ContextResolver | None = None) -> None:
        self.calls: list[Call] = []
        self._resolver = ThreadResolver() if resolver is None else resolver
        self._scripts: dict[str, Iterator[Any]] = {}

    @property
    def methods(self) -> list[str]:
        """The names of the methods that were called, oldest first."""
        return [call.method for call in self.calls]

    def script(self, method: str, answers: Iterable[Any]) -> None:
        """Answer the next calls of ``method`` with ``answers``, in turn; an exception among them is raised.

        After the last one calls are passed on again; ``itertools.repeat(answer)`` has no last one. A call that is
        answered so is not passed on: nothing is bound by a scripted ``set``.

        Raises:
            OptionError: there is no such method to be scripted.
        """
        if method not in self.scriptable:
            raise OptionError(
                f"no method to script is called {method!r}; there are: {', '.join(sorted(self.scriptable))}"
            )
        self._scripts[method] = iter(answers)

    def present(self) -> ContextResolver:
        """Return the resolver that calls are passed on to."""
        return self._resolver

    def get(self) -> AbstractEventLoop | None:
        """Record it."""
        return self._record("get", self._resolver.get)

    def set(self, loop: AbstractEventLoop | None) -> None:
        """Record it."""
        self._record("set", self._resolver.set, loop)

    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Record what ``asyncio.set_event_loop()`` does as a set."""
        self._record("set", self._resolver.bind, loop)

    def new(self) -> AbstractEventLoop:
        """Record it."""
        return self._record("new", self._resolver.new)

    def factory(self) -> LoopFactory | None:
        """Return what records a ``new``, where that is scripted or the resolver has a kind of loop of its own."""
        found = self._resolver.factory()
        if "new" in self._scripts:
            return self.new
        return None if found is None else lambda: self._record("new", found)

    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        """Record it."""
        return self._record("lease", self._resolver.lease, factory)

    def applies(self) -> bool:
        """Record it."""
        return self._record("applies", self._resolver.applies)

    def describe(self) -> str:
        """Record it."""
        return self._record("describe", self._resolver.describe)

    def installed(self) -> None:
        """Record it."""
        self._record("installed", self._resolver.installed)

    def uninstalled(self) -> None:
        """Record it."""
        self._record("uninstalled", self._resolver.uninstalled)

    def __repr__(self) -> str:
        return f"<RecordingResolver of {self._resolver!r}, {len(self.calls)} calls>"

    def _record(self, method: str, function: Callable[..., T], *arguments: Any) -> T:
        answer: Any = None
        error: BaseException | None = None
        try:
            answer = self._answer(method, function, arguments)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self.calls.append(Call(method, arguments, answer, error, threading.current_thread().name))
        result: T = answer
        return result

    def _answer(self, method: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if method not in self._scripts:
            return function(*arguments)
        try:
            answer = next(self._scripts[method])
        except StopIteration:
            self._scripts.pop(method, None)
            return function(*arguments)
        if isinstance(answer, BaseException):
            raise answer
        return answer
