"""CTX301 and CTX302: ``get_event_loop()`` where no loop may be running, ``set_event_loop()`` in what a worker runs."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from ctxpolicy._check.asyncio_names import asyncio_name
from ctxpolicy._check.catalog import RULES
from ctxpolicy._check.checked_module import Claim, Reading
from ctxpolicy._check.report import Certainty, Finding, Version
from ctxpolicy._check.rules.current_loop_uses import Uses, unsets
from ctxpolicy._check.rules.worker_functions import Worker, workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctxpolicy._check.syntax.scopes import Place, Scope

_CONSTRUCTORS = frozenset(("__init__", "__new__", "__post_init__"))
_IN_COROUTINES = frozenset(("__await__", "__aiter__", "__anext__"))
_ALWAYS = Version(3, 4)


def find(reading: Reading) -> Iterator[Finding | None]:
    """Find calls that depend on a current loop that is not there, or that set one where it outlives its use."""
    uses = Uses(reading)
    at_work = workers(reading)
    for call, place in uses.get:
        verdict = _judge(reading, uses, call, place, at_work.get(place.scope.unit))
        if verdict and not reading.handlers.caught(place, "RuntimeError"):
            yield reading.finding(call, place, verdict)
    for factory, place in uses.factories:
        if not _in_coroutine(place.scope.unit):
            where = "as a default_factory, fails for objects made where no loop runs"
            yield reading.finding(factory, place, _unless_set(uses, place, _none_current(where, "likely")))
    for call, place in uses.set:
        worker = at_work.get(place.scope.unit)
        if worker and not unsets(call):
            yield _set_in_worker(reading, uses, call, place, worker)


def _judge(reading: Reading, uses: Uses, call: ast.Call, place: Place, worker: Worker | None) -> Claim | None:
    """Say how surely no loop is current at a ``get_event_loop()``; ``None`` where one surely is."""
    unit = place.scope.unit
    setting = uses.last_setting(unit, call)
    if setting is not None and not setting.unsets:
        return None
    if worker is None and _in_coroutine(unit):
        return None
    if _under_runner(reading, place):
        return _none_current("under asyncio.Runner(), fails before that has made its loop", "possible")
    if worker is not None:
        return _in_worker(worker)
    certainty: Certainty = "certain" if unit.kind == "module" else "likely"
    if setting is not None and setting.surely_precedes(place):
        return _none_current("after set_event_loop(None)", certainty, always=True)
    return _where_nothing_is_set(reading, uses, call, place)


def _in_coroutine(unit: Scope) -> bool:
    return unit.in_coroutine or getattr(unit.node, "name", "") in _IN_COROUTINES


def _under_runner(reading: Reading, place: Place) -> bool:
    """Tell whether this is in ``with asyncio.Runner()``, which sets its loop unless a factory made it."""
    return any(
        asyncio_name(reading.names.path(item.context_expr.func, scope)) == "Runner"
        and all(keyword.arg != "loop_factory" for keyword in item.context_expr.keywords)
        for node, scope in place.catchers
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.context_expr, ast.Call)
    )


def _unless_set(uses: Uses, place: Place, verdict: Claim) -> Claim:
    """Say less where the module sets a loop, for whom nothing here says."""
    return replace(verdict, certainty="possible") if uses.sets(place.scope.module) else verdict


def _none_current(where: str, certainty: Certainty, *, always: bool = False) -> Claim:
    rule = RULES["CTX301"]
    message = f"asyncio.get_event_loop() {where}"
    if always:
        return Claim(rule.code, message, certainty, None, _ALWAYS)
    return Claim(rule.code, message, certainty, rule.warns, rule.fails)


def _in_worker(worker: Worker) -> Claim:
    if worker.surely_thread:
        return _none_current(f"in what {worker.name} runs, where there never is a loop", "certain", always=True)
    return _none_current(f"in what {worker.name} runs, where no loop runs", "likely")


def _where_nothing_is_set(reading: Reading, uses: Uses, call: ast.Call, place: Place) -> Claim:
    if place.scope.unit.kind == "module":
        return _none_current("at module level, where no loop runs", "certain")
    return _unless_set(uses, place, _in_function(reading, uses, call, place))


def _in_function(reading: Reading, uses: Uses, call: ast.Call, place: Place) -> Claim:
    unit = place.scope.unit
    if uses.drives(unit, call):
        return _none_current("for a loop that is then run, so that none runs here", "likely")
    if _after_no_running_loop(reading, uses, place):
        return _none_current("after get_running_loop() has found no loop", "likely")
    if unit.enclosing_class and getattr(unit.node, "name", "") in _CONSTRUCTORS:
        return _none_current("in a constructor, fails for objects made where no loop runs", "likely")
    return _none_current("in a function, fails when called where no loop runs", "possible")


def _after_no_running_loop(reading: Reading, uses: Uses, place: Place) -> bool:
    """Tell whether this is in the handler of a ``get_running_loop()`` that raised."""
    tried = place.recovering
    return (
        tried is not None
        and uses.tries_running_loop(tried)
        and reading.handlers.handler(tried, "RuntimeError") is not None
    )


def _set_in_worker(reading: Reading, uses: Uses, call: ast.Call, place: Place, worker: Worker) -> Finding | None:
    stays = worker.reused and not uses.sets(place.scope.unit, none=True)
    where = f"asyncio.set_event_loop() in what {worker.name} runs"
    message = f"{where}: the loop stays set for what it runs next" if stays else f"{where}: asyncio.run() does that"
    certainty: Certainty = "likely" if stays else "possible"
    return reading.finding(call, place, Claim("CTX302", message, certainty))
