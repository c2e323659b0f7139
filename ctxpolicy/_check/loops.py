"""CTX301 and CTX302: ``get_event_loop()`` where no loop may be running, ``set_event_loop()`` in what a worker runs."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, final

from ctxpolicy._check.facts import DRIVES, asyncio_name
from ctxpolicy._check.model import Certainty, Finding, Version
from ctxpolicy._check.reading import Claim, Reading
from ctxpolicy._check.rules import RULES
from ctxpolicy._check.scopes import Assigned, Place, Scope
from ctxpolicy._check.workers import Worker, workers

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONSTRUCTORS = frozenset(("__init__", "__new__", "__post_init__"))
_IN_COROUTINES = frozenset(("__await__", "__aiter__", "__anext__"))
_ALWAYS = Version(3, 4)


@final
class _Uses(NamedTuple):
    """The calls that tell where a loop is current."""

    get: list[tuple[ast.Call, Place]]
    set: list[tuple[ast.Call, Place]]
    driven: list[tuple[ast.expr, Scope]]
    """What ``run_until_complete`` or ``run_forever`` is called on."""


def find(reading: Reading) -> Iterator[Finding | None]:
    """Find calls that depend on a current loop that is not there, or that set one where it outlives its use."""
    uses = _uses(reading)
    at_work = workers(reading)
    for call, place in uses.get:
        verdict = _judge(reading, uses, call, place, at_work.get(place.scope.unit))
        if verdict and not reading.handlers.caught(place, "RuntimeError"):
            yield reading.finding(call, place, verdict)
    for call, place in uses.set:
        worker = at_work.get(place.scope.unit)
        if worker and not _unsets(call):
            yield _set_in_worker(reading, uses, call, place, worker)


def _uses(reading: Reading) -> _Uses:
    uses = _Uses([], [], [])
    for call, place in reading.sites.calls:
        name = asyncio_name(reading.names.path(call.func, place.scope))
        if name == "get_event_loop":
            uses.get.append((call, place))
        elif name == "set_event_loop":
            uses.set.append((call, place))
        elif isinstance(call.func, ast.Attribute) and call.func.attr in DRIVES:
            uses.driven.append((call.func.value, place.scope))
    return uses


def _judge(reading: Reading, uses: _Uses, call: ast.Call, place: Place, worker: Worker | None) -> Claim | None:
    """Say how surely no loop is current at a ``get_event_loop()``; ``None`` where one surely is."""
    unit = place.scope.unit
    if _is_set_by(uses, unit, before=call.lineno):
        return None
    if worker is not None:
        return _in_worker(worker)
    if unit.in_coroutine or getattr(unit.node, "name", "") in _IN_COROUTINES:
        return None
    if unit.kind == "module":
        return _none_current("at module level, where no loop runs", "certain")
    verdict = _in_function(reading, uses, call, place)
    return replace(verdict, certainty="possible") if _is_set_by(uses, unit.module) else verdict


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


def _in_function(reading: Reading, uses: _Uses, call: ast.Call, place: Place) -> Claim:
    unit = place.scope.unit
    if _is_driven(uses, call, unit):
        return _none_current("for a loop that is then run, so that none runs here", "likely")
    if _after_no_running_loop(reading, place):
        return _none_current("after get_running_loop() has found no loop", "likely")
    if unit.enclosing_class and getattr(unit.node, "name", "") in _CONSTRUCTORS:
        return _none_current("in a constructor, fails for objects made where no loop runs", "likely")
    return _none_current("in a function, fails when called where no loop runs", "possible")


def _is_set_by(uses: _Uses, unit: Scope, before: float = math.inf) -> bool:
    """Tell whether a module or function sets a loop, above a line."""
    return any(
        place.scope.unit is unit and setting.lineno < before and not _unsets(setting) for setting, place in uses.set
    )


def _unsets(setting: ast.Call) -> bool:
    return any(isinstance(argument, ast.Constant) and argument.value is None for argument in setting.args)


def _is_driven(uses: _Uses, call: ast.Call, unit: Scope) -> bool:
    """Tell whether the loop that a call gives is run by the same function."""
    given: list[ast.expr] = [call]
    return any(
        driven in given or (isinstance(driven, ast.Name) and _may_be(driven.id, call, scope))
        for driven, scope in uses.driven
        if scope.unit is unit
    )


def _may_be(name: str, call: ast.Call, scope: Scope) -> bool:
    home = scope.find(name)
    bindings = home.bindings[name] if home else []
    return any(call in ast.walk(binding.value) for binding in bindings if isinstance(binding, Assigned))


def _after_no_running_loop(reading: Reading, place: Place) -> bool:
    """Tell whether this is in the handler of a ``get_running_loop()`` that raised."""
    tried = place.recovering
    if tried is None or reading.handlers.handler(tried, "RuntimeError") is None:
        return False
    calls = [node for statement in tried.node.body for node in ast.walk(statement) if isinstance(node, ast.Call)]
    return any(
        asyncio_name(reading.names.path(call.func, tried.scope)) in ("get_running_loop", "_get_running_loop")
        for call in calls
    )


def _set_in_worker(reading: Reading, uses: _Uses, call: ast.Call, place: Place, worker: Worker) -> Finding | None:
    unit = place.scope.unit
    unset = any(other.scope.unit is unit and _unsets(setting) for setting, other in uses.set)
    stays = worker.reused and not unset
    where = f"asyncio.set_event_loop() in what {worker.name} runs"
    message = f"{where}: the loop stays set for what it runs next" if stays else f"{where}: asyncio.run() does that"
    certainty: Certainty = "likely" if stays else "possible"
    return reading.finding(call, place, Claim("CTX302", message, certainty))
