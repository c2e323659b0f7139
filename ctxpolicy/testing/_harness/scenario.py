"""A resolver at work in several contexts, step by step; what goes wrong is told with the steps that led to it."""

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


# What a getter is to answer with where no loop is bound.
_NOTHING: Final = StandInLoop("nothing bound")


@final
class Scenario:
    """One resolver and its contexts, and what was done with them.

    Args:
        description: makes the resolver and the contexts.
        law: the law that is tested.
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
            if not loop.is_closed():  # or the collector may come upon the loop before its lease, and warn
                loop.close()
        del self.description.resolver

    def renew(self) -> None:
        """Get the resolver's getter, as a policy does when it is made, and after a fork."""
        self._getter = self.answer("getter", lambda: self.resolver.getter(_nothing))

    def loop(self, kind: type[StandInLoop] = StandInLoop) -> StandInLoop:
        """Return a new loop to bind."""
        self._loops += 1
        return kind(f"loop {self._loops}")

    @cached_property
    def policy(self) -> ContextPolicy:
        """A policy with the resolver; it leases a loop where there is none."""
        return ContextPolicy(self.resolver, missing="create", loop_factory=self._make_loop)

    def context(self, made_in: Context | None = None) -> Context:
        """Make one of the resolver's contexts."""
        return self._make(made_in, self.described_context, "a context")

    @contextmanager
    def described_context(self) -> Iterator[Run]:
        """Make a context as the description does, which must be a context manager that yields a callable."""
        manager: object = self.description.new_context()
        if not isinstance(manager, AbstractContextManager):
            self.lie(f"new_context() returned {manager!r}, which is no context manager (is @contextmanager missing?)")
        with manager as run:
            if not callable(run):
                self.lie(f"new_context() yielded {run!r}, which does not run functions: yield a callable")
            yield run

    def thread(self, started_in: Context | None = None) -> Context:
        """Start a plain thread."""
        return self._make(started_in, thread_context, "a plain thread")

    def anywhere(self) -> Iterator[Context]:
        """Return the test's own context, one made in it, one made in that, and a plain thread."""
        yield self.here
        if not self.description.one_context:
            outer = self.context()
            yield outer
            yield self.context(outer)
        yield self.thread()

    def ask(self) -> AbstractEventLoop | None:
        """Return what the resolver has bound in the present context; both its ways of saying so must agree."""
        found = self.answer("get", self.resolver.get)
        fast = self.answer("the getter() that a policy binds", self._getter)
        if fast is not (_NOTHING if found is None else found):
            self.broken(f"get() returns {self.told(found)}, and getter() says {self.told(fast)}")
        return found

    def told(self, loop: object) -> str:
        """Return what messages call ``loop``."""
        if isinstance(loop, AbstractEventLoop) and not isinstance(loop, StandInLoop) and loop in self._made:
            return f"{self._made[loop]} (closed)" if loop.is_closed() else self._made[loop]
        return repr(loop)

    def note(self, step: str) -> None:
        """Remember what was done; strings only, so that nothing is kept alive by it."""
        self.steps.append(step)

    def broken(self, what: str, mend: str = "") -> NoReturn:
        """Raise that the law is broken."""
        __tracebackhide__ = True
        raise self._broken(what, mend)

    def lie(self, what: str) -> NoReturn:
        """Raise that the description is wrong."""
        __tracebackhide__ = True
        wrong = f"the contract description {type(self.description).__name__} is wrong: {what}."
        raise DescriptionError(self.law, "\n".join([wrong, *numbered(self.steps)]))

    def expect_gone(self, thing: weakref.ref[Any], what: str, mend: str) -> None:
        """Have all garbage collected, and see that ``thing`` was."""
        __tracebackhide__ = True
        for _ in range(6):  # PyPy takes a cycle with finalizers in several rounds
            if thing() is None:
                self.note(f"{what} is collected as garbage")
                return
            gc.collect()
        holders = [f"{type(holder).__name__} {holder!r:.80}" for holder in gc.get_referrers(thing())[:3]]
        self.broken(f"{what} is still alive, referred to by {', '.join(holders)}", mend)

    def _make_loop(self) -> AbstractEventLoop:
        loop = platform_loop()
        self._made[loop] = f"made loop {len(self._made) + 1}"
        return loop

    def _make_resolver(self) -> ContextResolver:
        resolver = self.description.make_resolver()
        if not isinstance(resolver, ContextResolver):
            self.lie(f"make_resolver() returned {resolver!r}, which is no ContextResolver")
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
        """Return what a method of the resolver does; none may raise."""
        __tracebackhide__ = True
        try:
            return function()
        except Exception as error:
            raise self._broken(f"{what} raised {error!r}", "") from error

    def _broken(self, what: str, mend: str) -> BrokenLawError:
        lines = [f"{type(self.resolver).__qualname__} breaks {label(self.law)}: {what}.", *numbered(self.steps), mend]
        return BrokenLawError(self.law, "\n".join(lines).rstrip())


@final
class Context:
    """One of the contexts of a scenario.

    Attributes:
        name: what the steps call it.
        enter: runs a function in it; ``None`` after its end.
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
            self._scenario.lie(
                f"what new_context() yielded for {self.name} called the function {len(results)} times, not once"
            )
        return results.pop()

    def check(self) -> None:
        """See that what was given to run functions here returns and raises what these do."""
        __tracebackhide__ = True
        answer, error = object(), ValueError("raised in a context")
        if self.enter is not None and self.enter(lambda: answer) is not answer:
            self._scenario.lie(f"what new_context() yielded for {self.name} does not return what the function returns")
        try:
            self.run(lambda: _throw(error))
        except ValueError as raised:
            if raised is error:
                return
        self._scenario.lie(f"what new_context() yielded for {self.name} does not raise what the function raises")

    def set(self, loop: AbstractEventLoop | None) -> None:
        """Have the resolver bind ``loop`` here."""
        __tracebackhide__ = True
        self._scenario.note(f"in {self.name}: set({self._scenario.told(loop)})")
        self.run(lambda: self._scenario.answer("set", lambda: self._scenario.resolver.set(loop)))

    def get(self) -> AbstractEventLoop | None:
        """Return the loop that the resolver has bound here."""
        __tracebackhide__ = True
        found = self.run(self._scenario.ask)
        self._scenario.note(f"in {self.name}: get() returns {self._scenario.told(found)}")
        return found

    def bind(self, loop: AbstractEventLoop | None) -> None:
        """Have the policy bind ``loop`` here, as asyncio.set_event_loop() does."""
        __tracebackhide__ = True
        self._scenario.note(f"in {self.name}: the policy's set_event_loop({self._scenario.told(loop)})")
        policy = self._scenario.policy
        self.run(lambda: self._scenario.answer("set_event_loop", lambda: policy.set_event_loop(loop)))

    def lease(self) -> AbstractEventLoop:
        """Have the policy make a loop for this context, or return the one it has."""
        __tracebackhide__ = True
        policy = self._scenario.policy
        loop = self.run(lambda: self._scenario.answer("the policy's get_event_loop", policy.get_event_loop))
        self._scenario.note(f"in {self.name}: the policy (missing='create') gives {self._scenario.told(loop)}")
        self.expect(loop, "which the policy gave")
        return loop

    def asyncio_run(self) -> bool:
        """Have asyncio run a coroutine here under the policy; tell whether that can be done here."""
        if self.run(running_loop) is not None:
            return False  # asyncio.run() refuses
        with install(self._scenario.policy):
            self.run(lambda: asyncio.run(_no_work()))
        self._scenario.note(f"in {self.name}: asyncio.run() under the policy")
        return True

    @contextmanager
    def scope(self) -> Iterator[AbstractEventLoop]:
        """Have ``fresh_loop()`` bind a loop here for the block, by the policy in force; one that fails is not left."""
        __tracebackhide__ = True
        scenario, scope = self._scenario, fresh_loop()
        loop = self.run(lambda: scenario.answer("entering fresh_loop()", scope.__enter__))
        scenario.note(f"in {self.name}: fresh_loop() is entered, and gives {scenario.told(loop)}")
        yield loop
        scenario.note(f"in {self.name}: fresh_loop() is left")
        self.run(lambda: scenario.answer("leaving fresh_loop()", lambda: scope.__exit__(None, None, None)))

    def visit(self) -> object:
        """Enter this context in another thread, and return the loop that it is handed, or :data:`NOT_ENTERED`."""
        found = in_new_thread(self._ask_here)
        told = "it cannot be entered there" if found is NOT_ENTERED else f"get() returns {self._scenario.told(found)}"
        self._scenario.note(f"in another thread, in {self.name}: {told}")
        return found

    def admits_threads(self) -> bool:
        """Return whether several threads can be in this context at once.

        They cannot where this context has contextvars of its own: only one thread at a time runs in those.
        """
        self.get()  # a greenlet belongs to the first thread that enters it: to this one
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
        except Exception:  # noqa: BLE001 - what such a context raises is its own business
            return NOT_ENTERED

    def expect(self, loop: AbstractEventLoop | None, why: str, mend: str = "") -> None:
        """See that ``loop`` is what the resolver has bound here."""
        __tracebackhide__ = True
        found = self.get()
        if found is not loop:
            told = self._scenario.told
            self._scenario.broken(f"in {self.name} get() returned {told(found)} and not {told(loop)}, {why}", mend)

    def end(self) -> None:
        """End this context."""
        self._scenario.note(f"{self.name} ends")
        manager, self._manager, self.enter = self._manager, None, None
        assert manager is not None, f"{self.name} is the test's own, or has ended"
        manager.__exit__(None, None, None)


@contextmanager
def make_once(make: Callable[[], AbstractContextManager[Run]]) -> Iterator[Run]:
    """Enter what ``make()`` returns; leaving it a second time does nothing."""
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
