"""Law 6: what is kept alive, and for how long."""

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

_LET_GO: Final = "Keep a loop only in the slot of its context, and keep the slot in the context itself or weakly by it."
_CYCLE: Final = (
    "A weak dictionary does not let go of a key that its value refers to, as a loop does (by its pending calls) to its "
    "tasks: keep the loop in the context itself."
)
_CONTEXT: Final = "Keep what belongs to a context in the context itself, or weakly by it; unset, let go of the key too."
_VARIABLES: Final = "A contextvars context never forgets a variable: make one a resolver, in __init__."


class GarbageLaws(Description):
    """The tests of what is let go."""

    @law(6)
    def test_law_6_a_loop_that_was_unset_or_replaced_is_let_go(self, play: Scenario) -> None:
        """After set(None), and after a set of another loop, nothing holds the previous one."""
        for context in play.anywhere():
            unset = _bound(play, context)
            context.set(None)
            play.expect_gone(unset, "the loop that was unset", _LET_GO)
            replaced = _bound(play, context)
            context.set(play.loop())
            play.expect_gone(replaced, "the loop that was replaced", _LET_GO)

    @law(6)
    def test_law_6_a_loop_goes_with_its_context(self, play: Scenario) -> None:
        """When a context ends, nothing holds the loop that was bound in it, though it was never unset."""
        contexts = [play.thread()] if self.one_context else [play.context(), play.thread()]
        for context in contexts:
            loop = _bound(play, context)
            if self.one_context:
                play.here.set(None)
            context.end()
            play.expect_gone(loop, f"the loop that was bound in {context.name}", _LET_GO)

    @law(6)
    def test_law_6_a_loop_that_refers_to_its_context_goes_with_it(self, play: Scenario) -> None:
        """Nor does a cycle hold them: a loop refers to its tasks, and to the contextvars contexts of its calls."""
        context = play.context()
        loop = _bound(play, context, refers=True)
        if self.one_context:
            play.here.set(None)
        context.end()
        play.expect_gone(loop, f"the loop that was bound in {context.name}, and refers to it", _CYCLE)

    @law(6)
    def test_law_6_a_context_is_let_go_when_it_ends(self, play: Scenario) -> None:
        """Nothing holds a context (its task, its thread, what else it is made of) for a loop that was bound there."""
        for make in [] if self.one_context else [play.context, play.thread]:
            # What outlives one in which the resolver was never used does not belong to the context.
            unused = _come_and_gone(make())
            ended = {use: _come_and_gone(make(), *loops) for use, loops in _uses(play).items()}
            gc.collect()
            gc.collect()
            for use, parts in ended.items():
                for control, part in zip(unused, parts, strict=True):
                    if control is not None and control() is None and part is not None:
                        play.expect_gone(part, f"what belongs to a context that ended {use}", _CONTEXT)

    @law(6)
    def test_law_6_a_contextvars_context_does_not_grow(self, play: Scenario) -> None:
        """A thousand sets leave a contextvars context as large as the first one did."""
        for context in play.here, play.context(), play.thread():
            _round(play, context)
            before = context.run(_size)
            for _ in range(333):
                _round(play, context)
            play.note(f"in {context.name}: set, set, set(None), 333 times")
            grown = context.run(_size) - before
            if grown:
                play.broken(
                    f"the contextvars context of {context.name} has {grown} more variables than before", _VARIABLES
                )

    @law(6)
    def test_law_6_a_resolver_is_let_go(self, play: Scenario) -> None:
        """Nothing holds a resolver that nobody refers to any more."""
        play.expect_gone(self._used_resolver(play), "a resolver that nobody refers to", _LET_GO)

    def _used_resolver(self, play: Scenario) -> weakref.ref[ContextResolver]:
        resolver = self.make_resolver()
        resolver.set(play.loop())
        resolver.set(None)
        return weakref.ref(resolver)


def _bound(play: Scenario, context: Context, *, refers: bool = False) -> weakref.ref[StandInLoop]:
    """Bind a loop that nobody else refers to."""
    loop = play.loop()
    context.set(loop)
    if refers:
        loop.refers_to = context.run(lambda: (context.enter, current_task(), contextvars.copy_context()))
    return weakref.ref(loop)


def _uses(play: Scenario) -> dict[str, tuple[StandInLoop | None, ...]]:
    return {"with a loop bound": (play.loop(),), "after its loop was unset": (play.loop(), None)}


def _come_and_gone(context: Context, *loops: StandInLoop | None) -> list[weakref.ref[Any] | None]:
    """Bind ``loops`` in the context, one after the other, and end it; return what it was made of, in a fixed order."""
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
    """Return what a function or method has of its own."""
    return [getattr(function, "__self__", None), *gc.get_referents(*(getattr(function, "__closure__", None) or ()))]


def _weakly(thing: object) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(thing)
    except TypeError:  # numbers, strings and the like
        return None


def _round(play: Scenario, context: Context) -> None:
    for loop in (StandInLoop(), StandInLoop(), None):
        context.run(lambda: play.resolver.set(loop))  # noqa: B023 - called at once


def _size() -> int:
    return len(contextvars.copy_context())
