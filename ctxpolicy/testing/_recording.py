"""A test double: a resolver around another resolver. It records every call, and can answer calls from a script."""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.lease import Binding, Lease
from ctxpolicy.errors import OptionError
from ctxpolicy.resolvers._bindings import Bindings, WrappedBindings
from ctxpolicy.resolvers.base import ContextResolver, factory_of
from ctxpolicy.resolvers.delegating import DelegatingResolver
from ctxpolicy.resolvers.thread import ThreadResolver

__all__ = ["Call", "RecordingResolver"]

T = TypeVar("T")


class Call(NamedTuple):
    """One call of a method of a :class:`RecordingResolver`.

    Attributes:
        method: the name of the method. A call of ``asyncio.set_event_loop()`` is recorded as ``"set"``.
        arguments: the arguments. A lease is recorded as its loop, and the token of a scope is left out.
        answer: the result; ``None`` if the method raised. A binding is recorded as its loop, and the token of a scope
            as ``None``.
        error: the exception that the method raised, or ``None``.
        thread: the name of the calling thread.
    """

    method: str
    arguments: tuple[Any, ...]
    answer: Any
    error: BaseException | None
    thread: str


class _ScopeToken(NamedTuple):
    """A wrapper of the token that the other resolver's ``enter_scope()`` returned."""

    token: Any


def _for_record(thing: Any) -> Any:
    # If the record referred to a lease, the lease would not end with its context.
    if isinstance(thing, _ScopeToken):
        return None
    return thing.loop if isinstance(thing, (Lease, Binding)) else thing


class _RecordedBindings(WrappedBindings):
    __slots__ = ("_record",)

    def __init__(self, inner: Bindings, record: Callable[..., Any]) -> None:
        super().__init__(inner)
        self._record = record

    def bind(self, loop: AbstractEventLoop | None) -> None:
        self._record("set", self.inner.bind, loop)

    def lease(self, factory: LoopFactory) -> AbstractEventLoop:
        loop: AbstractEventLoop = self._record("lease", self.inner.lease, factory)
        return loop

    def clear(self) -> None:
        self._record("clear", self.inner.clear)

    def enter_scope(self, lease: Lease) -> Any:
        return self._record("enter_scope", lambda entered: _ScopeToken(self.inner.enter_scope(entered)), lease)

    def is_innermost_scope(self, lease: Lease, token: Any) -> bool:
        answer: bool = self._record(
            "is_innermost_scope", lambda asked, of: self.inner.is_innermost_scope(asked, of.token), lease, token
        )
        return answer

    def leave_scope(self, token: Any) -> None:
        self._record("leave_scope", lambda left: self.inner.leave_scope(left.token), token)

    def note_set(self) -> None:
        self._record("note_set", self.inner.note_set)

    def was_set(self) -> bool:
        answer: bool = self._record("was_set", self.inner.was_set)
        return answer

    def is_thread_exclusive(self) -> bool:
        answer: bool = self._record("is_thread_exclusive", self.inner.is_thread_exclusive)
        return answer


class RecordingResolver(DelegatingResolver):
    """Records every call. Answers a call from a script if there is one, else passes the call on to another resolver.

    A policy calls ``getter()`` and ``setter()`` when it is created. These calls are not recorded. The calls of the
    functions that they return are recorded as ``"get"`` and ``"set"``. For a new loop, a policy first asks the resolver
    for its loop factory. This is recorded as ``"factory"``; the answer is ``None`` if the policy makes the loop itself.

    Args:
        resolver: the resolver to which calls are passed on; by default a ``ThreadResolver()``.

    Attributes:
        calls: the calls, oldest first. The list keeps arguments and answers alive. It may be cleared at any time.
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
        """Answer the next calls of ``method`` with ``answers``, in turn.

        After the last answer, calls are passed on again. ``itertools.repeat(answer)`` answers all further calls. A call
        that is answered from a script is not passed on: a scripted ``set`` binds nothing.

        Args:
            method: the name of the method, one of ``scriptable``.
            answers: the results of the calls. If one of them is an exception, the call raises it.

        Raises:
            OptionError: the method cannot be scripted.
        """
        if method not in self.scriptable:
            raise OptionError(
                f"no method to script is called {method!r}; there are: {', '.join(sorted(self.scriptable))}"
            )
        self._scripts[method] = iter(answers)

    def present(self) -> ContextResolver:
        """Return the resolver to which calls are passed on."""
        return self._resolver

    def get(self) -> AbstractEventLoop | None:
        """Record the call."""
        return self._record("get", self._resolver.get)

    def set(self, loop: AbstractEventLoop | None) -> None:
        """Record the call."""
        self._record("set", self._resolver.set, loop)

    def new(self) -> AbstractEventLoop:
        """Record the call."""
        return self._record("new", self._resolver.new)

    @property
    def bindings(self) -> Bindings:
        """The bindings of the other resolver; each call is recorded."""
        return self._reporting(_RecordedBindings(self._resolver.bindings, self._record))

    def binding(self) -> Binding | None:
        """Record the call."""
        return self._record("binding", self._resolver.binding)

    def after_fork(self) -> None:
        """Record the call. It is not passed on, because the other resolver has its own call of ``after_fork()``."""
        self._record("after_fork", super().after_fork)

    def applies(self) -> bool:
        """Record the call."""
        return self._record("applies", self._resolver.applies)

    def describe(self) -> str:
        """Record the call."""
        return self._record("describe", self._resolver.describe)

    def installed(self) -> None:
        """Record the call."""
        self._record("installed", self._resolver.installed)

    def uninstalled(self) -> None:
        """Record the call."""
        self._record("uninstalled", self._resolver.uninstalled)

    def __repr__(self) -> str:
        return f"<RecordingResolver of {self._resolver!r}, {len(self.calls)} calls>"

    def _chosen_factory(self) -> LoopFactory | None:
        return self._record("factory", self._recorded_factory)

    def _recorded_factory(self) -> LoopFactory | None:
        found = factory_of(self._resolver)
        if "new" in self._scripts:
            return self.new
        return None if found is None else lambda: self._record("new", found)

    def _record(self, method: str, function: Callable[..., T], *arguments: Any) -> T:
        answer: Any = None
        error: BaseException | None = None
        try:
            answer = self._answer(method, function, arguments)
        except BaseException as raised:
            error = raised
            raise
        finally:
            given = tuple(_for_record(each) for each in arguments if not isinstance(each, _ScopeToken))
            self.calls.append(Call(method, given, _for_record(answer), error, threading.current_thread().name))
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
