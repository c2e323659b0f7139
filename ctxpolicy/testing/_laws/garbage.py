"""Law 6: the objects that a resolver keeps alive, and for how long."""

from __future__ import annotations

import contextvars
import gc
import weakref
from itertools import chain
from threading import current_thread
from typing import Any, Final

from ctxpolicy._asyncio.running import current_task
from ctxpolicy.resolvers.base import ContextResolver
from ctxpolicy.testing._fake_loop import StandInLoop
from ctxpolicy.testing._harness.description import Description
from ctxpolicy.testing._harness.scenario import Context, Scenario
from ctxpolicy.testing._laws.decorator import law

__all__ = ["GarbageLaws"]

_LET_GO: Final = "Keep a loop in its context itself, or in a dictionary that refers to the context weakly."
_CYCLE: Final = (
    "A weak dictionary keeps a key alive if the value refers to the key, and a loop refers to its tasks by its pending "
    "calls: keep the loop in the context itself."
)
_CONTEXT: Final = "Refer to contexts weakly, or remove the reference when the loop is unset and when the context ends."
_VARIABLES: Final = "A contextvars context never forgets a variable: make one variable per resolver, in __init__."


class GarbageLaws(Description):
    """The tests of garbage collection."""

    @law(6)
    def test_law_6_a_loop_that_was_unset_or_replaced_is_let_go(self, scenario: Scenario) -> None:
        """After set(None), or a set of another loop, the previous loop is garbage-collected."""
        for context in scenario.anywhere():
            unset = _bound(scenario, context)
            context.set(None)
            scenario.expect_gone(unset, "the loop that was unset", _LET_GO)
            replaced = _bound(scenario, context)
            context.set(scenario.loop())
            scenario.expect_gone(replaced, "the loop that was replaced", _LET_GO)

    @law(6)
    def test_law_6_a_loop_goes_with_its_context(self, scenario: Scenario) -> None:
        """When a context ends, the loop that is bound in it is garbage-collected, without a set(None)."""
        contexts = [scenario.thread()] if self.one_context else [scenario.context(), scenario.thread()]
        for context in contexts:
            loop = _bound(scenario, context)
            if self.one_context:
                scenario.here.set(None)
            context.end()
            scenario.expect_gone(loop, f"the loop that was bound in {context.name}", _LET_GO)

    @law(6)
    def test_law_6_a_loop_that_refers_to_its_context_goes_with_it(self, scenario: Scenario) -> None:
        """A loop that refers to its context (to a task, or to a contextvars context) is garbage-collected with it."""
        context = scenario.context()
        loop = _bound(scenario, context, refers=True)
        if self.one_context:
            scenario.here.set(None)
        context.end()
        scenario.expect_gone(loop, f"the loop that was bound in {context.name}, and refers to it", _CYCLE)

    @law(6)
    def test_law_6_a_context_is_let_go_when_it_ends(self, scenario: Scenario) -> None:
        """A context (its task, its thread, and its other parts) is garbage-collected after its end."""
        for make in [] if self.one_context else [scenario.context, scenario.thread]:
            # A control: parts that stay alive after a context in which the resolver was never used are not the
            # resolver's fault.
            unused = _come_and_gone(make())
            ended = {use: _come_and_gone(make(), *loops) for use, loops in _uses(scenario).items()}
            gc.collect()
            gc.collect()
            for use, parts in ended.items():
                for control, part in zip(unused, parts, strict=True):
                    if control is not None and control() is None and part is not None:
                        scenario.expect_gone(part, f"what belongs to a context that ended {use}", _CONTEXT)

    @law(6)
    def test_law_6_a_contextvars_context_does_not_grow(self, scenario: Scenario) -> None:
        """After a thousand sets, a contextvars context has as many variables as after the first ones."""
        for context in scenario.here, scenario.context(), scenario.thread():
            _round(scenario, context)
            before = context.run(_size)
            for _ in range(333):
                _round(scenario, context)
            scenario.note(f"in {context.name}: set, set, set(None), 333 times")
            grown = context.run(_size) - before
            if grown:
                scenario.broken(
                    f"the contextvars context of {context.name} has {grown} more variables than before", _VARIABLES
                )

    @law(6)
    def test_law_6_a_resolver_is_let_go(self, scenario: Scenario) -> None:
        """A resolver that nothing else refers to is garbage-collected."""
        scenario.expect_gone(self._used_resolver(scenario), "a resolver that nothing else refers to", _LET_GO)

    def _used_resolver(self, scenario: Scenario) -> weakref.ref[ContextResolver]:
        resolver = self.make_resolver()
        resolver.set(scenario.loop())
        resolver.set(None)
        return weakref.ref(resolver)


def _bound(scenario: Scenario, context: Context, *, refers: bool = False) -> weakref.ref[StandInLoop]:
    """Bind a loop that nothing else refers to; return a weak reference to it."""
    loop = scenario.loop()
    context.set(loop)
    if refers:
        loop.refers_to = context.run(lambda: (context.enter, current_task(), contextvars.copy_context()))
    return weakref.ref(loop)


def _uses(scenario: Scenario) -> dict[str, tuple[StandInLoop | None, ...]]:
    return {"with a loop bound": (scenario.loop(),), "after its loop was unset": (scenario.loop(), None)}


def _come_and_gone(context: Context, *loops: StandInLoop | None) -> list[weakref.ref[Any] | None]:
    """Bind ``loops`` in the context in turn, and end the context; return references to its parts, in a fixed order."""
    for loop in loops:
        context.set(loop)
    run = context.enter
    of_run = _refers_to(run)
    parts = [context.run(current_task), context.run(current_thread), run, *of_run]
    made_of = [_weakly(each) for each in chain(parts, *map(_refers_to, of_run))]
    del run, of_run, parts
    context.end()
    return made_of


def _refers_to(function: Any) -> list[Any]:
    """Return the objects that a function or method refers to."""
    return [getattr(function, "__self__", None), *gc.get_referents(*(getattr(function, "__closure__", None) or ()))]


def _weakly(thing: object) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(thing)
    except TypeError:  # numbers, strings and the like
        return None


def _round(scenario: Scenario, context: Context) -> None:
    for loop in (StandInLoop(), StandInLoop(), None):
        context.run(lambda: scenario.resolver.set(loop))  # noqa: B023 - called at once


def _size() -> int:
    return len(contextvars.copy_context())
