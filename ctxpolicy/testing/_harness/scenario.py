"""Uses a resolver in several contexts, step by step. A failure shows the steps that led to it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from functools import cached_property
from string import ascii_uppercase
from threading import get_ident
from typing import Any, Final, NoReturn, TypeVar, final

from ctxpolicy._asyncio.capabilities import platform_loop
from ctxpolicy._asyncio.running import running_loop
from ctxpolicy._lifetime.fresh_loop import fresh_loop
from ctxpolicy._policy.install import install
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy.resolvers.base import ContextResolver
from ctxpolicy.testing._errors import BrokenLawError, DescriptionError, label, numbered
from ctxpolicy.testing._fake_loop import StandInLoop
from ctxpolicy.testing._harness.contexts import Run, in_new_thread, thread_context
from ctxpolicy.testing._harness.description import Description

__all__ = ["NOT_ENTERED", "Context", "Scenario"]

T = TypeVar("T")
HERE: Final = "the test's own context"
NOT_ENTERED: Final = object()


# The result of a getter if no loop is bound.
_NOTHING: Final = StandInLoop("nothing bound")


@final
class Scenario:
    """One resolver, its contexts, and the steps that were done in them.

    Args:
        description: the description of the resolver, which makes the resolver and its contexts.
        law: the number of the law under test.
    """

    def __init__(self, description: Description, law: int) -> None:
        self.description = description
        self.law = law
        self.steps: list[str] = []
        self.resolver = description.resolver = self._make_resolver()
        self.here = Context(self, HERE, _call)
        self._stack = ExitStack()
        self._made: weakref.WeakKeyDictionary[AbstractEventLoop, str] = weakref.WeakKeyDictionary()
        self._loops = self._contexts = 0
        self.renew()

    def __enter__(self) -> Scenario:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """End the contexts that were made."""
        self._stack.close()
        for loop in list(self._made):
            if not loop.is_closed():  # the garbage collector might finalize the loop before its lease, and warn
                loop.close()
        del self.description.resolver

    def renew(self) -> None:
        """Call the resolver's ``getter()``, as a policy does when it is created, and after a fork."""
        self._getter = self.answer("getter", lambda: self.resolver.getter(_nothing))

    def loop(self, kind: type[StandInLoop] = StandInLoop) -> StandInLoop:
        """Return a new loop to bind."""
        self._loops += 1
        return kind(f"loop {self._loops}")

    @cached_property
    def policy(self) -> ContextPolicy:
        """A policy with the resolver. It leases a loop to a context without a loop."""
        return ContextPolicy(self.resolver, missing="create", loop_factory=self._make_loop)

    def context(self, made_in: Context | None = None) -> Context:
        """Make one of the resolver's contexts."""
        return self._make(made_in, self.described_context, "a context")

    @contextmanager
    def described_context(self) -> Iterator[Run]:
        """Make a context with ``new_context()``; check that it returns a context manager that yields a callable."""
        manager: object = self.description.new_context()
        if not isinstance(manager, AbstractContextManager):
            self.bad_description(
                f"new_context() returned {manager!r}, which is no context manager (is @contextmanager missing?)"
            )
        with manager as run:
            if not callable(run):
                self.bad_description(f"new_context() yielded {run!r}, which does not run functions: yield a callable")
            yield run

    def thread(self, started_in: Context | None = None) -> Context:
        """Start a plain thread."""
        return self._make(started_in, thread_context, "a plain thread")

    def anywhere(self) -> Iterator[Context]:
        """Yield the test's own context, a context inside it, a context inside the latter, and a plain thread."""
        yield self.here
        if not self.description.one_context:
            outer = self.context()
            yield outer
            yield self.context(outer)
        yield self.thread()

    def ask(self) -> AbstractEventLoop | None:
        """Return the loop of the present context; check that ``get()`` and ``getter()`` return the same loop."""
        found = self.answer("get", self.resolver.get)
        fast = self.answer("the getter() that a policy binds", self._getter)
        if fast is not (_NOTHING if found is None else found):
            self.broken(f"get() returns {self.formatted(found)}, and getter() says {self.formatted(fast)}")
        return found

    def formatted(self, loop: object) -> str:
        """Return the name of ``loop`` for messages."""
        if isinstance(loop, AbstractEventLoop) and not isinstance(loop, StandInLoop) and loop in self._made:
            return f"{self._made[loop]} (closed)" if loop.is_closed() else self._made[loop]
        return repr(loop)

    def note(self, step: str) -> None:
        """Record a step, as text, because the record would keep any other object alive."""
        self.steps.append(step)

    def broken(self, what: str, fix: str = "") -> NoReturn:
        """Raise :class:`BrokenLawError`: the resolver breaks the law."""
        __tracebackhide__ = True
        raise self._broken(what, fix)

    def bad_description(self, what: str) -> NoReturn:
        """Raise :class:`DescriptionError`: the description of the resolver is wrong."""
        __tracebackhide__ = True
        wrong = f"the contract description {type(self.description).__name__} is wrong: {what}."
        raise DescriptionError(self.law, "\n".join([wrong, *numbered(self.steps)]))

    def expect_gone(self, thing: weakref.ref[Any], what: str, fix: str) -> None:
        """Collect garbage; check that the object of ``thing`` was collected."""
        __tracebackhide__ = True
        for _ in range(6):  # PyPy needs several collections for a cycle with finalizers
            if thing() is None:
                self.note(f"{what} is collected as garbage")
                return
            gc.collect()
        holders = [f"{type(holder).__name__} {holder!r:.80}" for holder in gc.get_referrers(thing())[:3]]
        self.broken(f"{what} is still alive, referred to by {', '.join(holders)}", fix)

    def _make_loop(self) -> AbstractEventLoop:
        loop = platform_loop()
        self._made[loop] = f"made loop {len(self._made) + 1}"
        return loop

    def _make_resolver(self) -> ContextResolver:
        resolver = self.description.make_resolver()
        if not isinstance(resolver, ContextResolver):
            self.bad_description(f"make_resolver() returned {resolver!r}, which is no ContextResolver")
        return resolver

    def _make(self, maker: Context | None, make: Callable[[], AbstractContextManager[Run]], kind: str) -> Context:
        maker = maker or self.here
        name = self._next_name(kind)
        manager = make_once(make)
        run = maker.run(manager.__enter__)
        self._stack.push(manager)
        self.note(f"{name} is made in {maker.name}")
        return Context(self, name, run, manager)

    def _next_name(self, kind: str) -> str:
        self._contexts += 1
        index, round_ = (self._contexts - 1) % 26, (self._contexts - 1) // 26
        return f"{kind.removeprefix('a ')} {ascii_uppercase[index]}{round_ or ''}"

    def answer(self, what: str, function: Callable[[], T]) -> T:
        """Return the result of ``function``, a method of the resolver, which must not raise."""
        __tracebackhide__ = True
        try:
            return function()
        except Exception as error:
            raise self._broken(f"{what} raised {error!r}", "") from error

    def _broken(self, what: str, fix: str) -> BrokenLawError:
        lines = [f"{type(self.resolver).__qualname__} breaks {label(self.law)}: {what}.", *numbered(self.steps), fix]
        return BrokenLawError(self.law, "\n".join(lines).rstrip())


@final
class Context:
    """One of the contexts of a scenario.

    Attributes:
        name: the name of the context in the steps.
        enter: runs a function in the context; ``None`` after the context has ended.
    """

    def __init__(
        self, scenario: Scenario, name: str, run: Run, manager: AbstractContextManager[Run] | None = None
    ) -> None:
        self.name = name
        self._scenario = scenario
        self.enter: Run | None = run
        self._manager = manager

    def run(self, function: Callable[[], T]) -> T:
        """Run ``function`` in this context."""
        __tracebackhide__ = True
        results: list[T] = []
        assert self.enter is not None, f"{self.name} has ended"
        self.enter(lambda: results.append(function()))
        if len(results) != 1:
            self._scenario.bad_description(
                f"the callable that new_context() yielded for {self.name} called the function {len(results)} times, "
                "not once"
            )
        return results.pop()

    def check(self) -> None:
        """Check that the description's callable returns the result of a function, and raises its exception."""
        __tracebackhide__ = True
        answer, error = object(), ValueError("raised in a context")
        if self.enter is not None and self.enter(lambda: answer) is not answer:
            self._scenario.bad_description(
                f"the callable that new_context() yielded for {self.name} does not return what the function returns"
            )
        try:
            self.run(lambda: _throw(error))
        except ValueError as raised:
            if raised is error:
                return
        self._scenario.bad_description(
            f"the callable that new_context() yielded for {self.name} does not raise what the function raises"
        )

    def set(self, loop: AbstractEventLoop | None) -> None:
        """Call ``set(loop)`` of the resolver in this context."""
        __tracebackhide__ = True
        self._scenario.note(f"in {self.name}: set({self._scenario.formatted(loop)})")
        self.run(lambda: self._scenario.answer("set", lambda: self._scenario.resolver.set(loop)))

    def get(self) -> AbstractEventLoop | None:
        """Return the loop that is bound to this context."""
        __tracebackhide__ = True
        found = self.run(self._scenario.ask)
        self._scenario.note(f"in {self.name}: get() returns {self._scenario.formatted(found)}")
        return found

    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Call the policy's ``set_event_loop(loop)`` in this context, as asyncio does."""
        __tracebackhide__ = True
        self._scenario.note(f"in {self.name}: the policy's set_event_loop({self._scenario.formatted(loop)})")
        policy = self._scenario.policy
        self.run(lambda: self._scenario.answer("set_event_loop", lambda: policy.set_event_loop(loop)))

    def lease(self) -> AbstractEventLoop:
        """Return the loop that the policy gives this context: the bound loop, or a leased loop."""
        __tracebackhide__ = True
        policy = self._scenario.policy
        loop = self.run(lambda: self._scenario.answer("the policy's get_event_loop", policy.get_event_loop))
        self._scenario.note(f"in {self.name}: the policy (missing='create') gives {self._scenario.formatted(loop)}")
        self.expect(loop, "which the policy gave")
        return loop

    def asyncio_run(self) -> bool:
        """Call ``asyncio.run()`` in this context under the policy; return whether this is possible here."""
        if self.run(running_loop) is not None:
            return False  # asyncio.run() refuses
        with install(self._scenario.policy):
            self.run(lambda: asyncio.run(_no_work()))
        self._scenario.note(f"in {self.name}: asyncio.run() under the policy")
        return True

    @contextmanager
    def scope(self) -> Iterator[AbstractEventLoop]:
        """Enter ``fresh_loop()`` in this context, under the policy in force. If the block raises, it stays open."""
        __tracebackhide__ = True
        scenario, scope = self._scenario, fresh_loop()
        loop = self.run(lambda: scenario.answer("entering fresh_loop()", scope.__enter__))
        scenario.note(f"in {self.name}: fresh_loop() is entered, and gives {scenario.formatted(loop)}")
        yield loop
        scenario.note(f"in {self.name}: fresh_loop() is left")
        self.run(lambda: scenario.answer("leaving fresh_loop()", lambda: scope.__exit__(None, None, None)))

    def visit(self) -> object:
        """Enter this context in another thread; return the loop that is handed out there, or :data:`NOT_ENTERED`."""
        found = in_new_thread(self._ask_here)
        told = (
            "it cannot be entered there" if found is NOT_ENTERED else f"get() returns {self._scenario.formatted(found)}"
        )
        self._scenario.note(f"in another thread, in {self.name}: {told}")
        return found

    def admits_threads(self) -> bool:
        """Return whether several threads can be in this context at once.

        They cannot if this context has a contextvars context of its own, which only one thread at a time can enter.
        """
        self.run(_nothing)  # a greenlet belongs to the first thread that enters it, which must be this thread
        if self.visit() is NOT_ENTERED:
            return False
        probe = ContextVar("probe", default=False)
        self.run(lambda: probe.set(True))
        return probe.get() or not self.run(probe.get)

    def _ask_here(self) -> object:
        thread = get_ident()
        try:
            return self.run(lambda: self._scenario.ask() if get_ident() == thread else NOT_ENTERED)
        except BrokenLawError:
            raise
        except Exception:  # noqa: BLE001 - a context that cannot be entered may raise anything
            return NOT_ENTERED

    def expect(self, loop: AbstractEventLoop | None, why: str, fix: str = "") -> None:
        """Check that ``loop`` is the loop that is bound to this context."""
        __tracebackhide__ = True
        found = self.get()
        if found is not loop:
            formatted = self._scenario.formatted
            self._scenario.broken(
                f"in {self.name} get() returned {formatted(found)} and not {formatted(loop)}, {why}", fix
            )

    def end(self) -> None:
        """End this context."""
        self._scenario.note(f"{self.name} ends")
        manager, self._manager, self.enter = self._manager, None, None
        assert manager is not None, f"{self.name} is the test's own, or has ended"
        manager.__exit__(None, None, None)


@contextmanager
def make_once(make: Callable[[], AbstractContextManager[Run]]) -> Iterator[Run]:
    """Enter the context manager that ``make()`` returns; leaving it a second time does nothing."""
    with make() as run:
        yield run


def _throw(error: Exception) -> NoReturn:
    raise error


async def _no_work() -> None:
    pass


def _nothing() -> AbstractEventLoop:
    return _NOTHING


def _call(function: Callable[[], T], /) -> T:
    return function()
