"""CTX301: ``get_event_loop()`` where no loop may be running. CTX302: ``set_event_loop()`` in a worker's function."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from ctxpolicy._check.asyncio_names import asyncio_name
from ctxpolicy._check.catalog import RULES
from ctxpolicy._check.checked_module import CheckedModule, RuleMatch
from ctxpolicy._check.report import Certainty, Finding, Version
from ctxpolicy._check.rules.current_loop_uses import CurrentLoopUses, sets_none
from ctxpolicy._check.rules.worker_functions import Worker, worker_functions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctxpolicy._check.syntax.scopes import NodeContext, Scope

_CONSTRUCTORS = frozenset(("__init__", "__new__", "__post_init__"))
_IN_COROUTINES = frozenset(("__await__", "__aiter__", "__anext__"))
_EVERY_PYTHON = Version(3, 4)


def find(module: CheckedModule) -> Iterator[Finding | None]:
    """Find calls that need a current loop where there may be none, and calls that leave a loop set in a worker."""
    uses = CurrentLoopUses(module)
    worker_by_scope = worker_functions(module)
    for call, context in uses.get_calls:
        match = _match_get_call(module, uses, call, context, worker_by_scope.get(context.scope.function_or_module))
        if match and not module.handlers.is_handled(context, "RuntimeError"):
            yield module.finding(call, context, match)
    for factory, context in uses.default_factories:
        if not _in_coroutine(context.scope.function_or_module):
            where = "as a default_factory fails for objects made where no loop runs"
            yield module.finding(factory, context, _weaker_if_set(uses, context, _missing_loop(where, "likely")))
    for call, context in uses.set_calls:
        worker = worker_by_scope.get(context.scope.function_or_module)
        if worker and not sets_none(call):
            yield _set_in_worker(module, uses, call, context, worker)


def _match_get_call(
    module: CheckedModule, uses: CurrentLoopUses, call: ast.Call, context: NodeContext, worker: Worker | None
) -> RuleMatch | None:
    """Return how certain it is that a ``get_event_loop()`` finds no current loop; ``None`` if it finds one."""
    scope = context.scope.function_or_module
    set_call = uses.last_set_call(scope, call)
    if set_call is not None and not set_call.sets_none:
        return None
    if worker is None and _in_coroutine(scope):
        return None
    if _under_runner(module, context):
        return _missing_loop("under asyncio.Runner() fails before the runner has made its loop", "possible")
    if worker is not None:
        return _in_worker(worker)
    certainty: Certainty = "certain" if scope.kind == "module" else "likely"
    if set_call is not None and set_call.always_precedes(context):
        return _missing_loop("after set_event_loop(None)", certainty, always=True)
    return _without_set_call(module, uses, call, context)


def _in_coroutine(scope: Scope) -> bool:
    return scope.in_coroutine or getattr(scope.node, "name", "") in _IN_COROUTINES


def _under_runner(module: CheckedModule, context: NodeContext) -> bool:
    """Return whether the node is in ``with asyncio.Runner()``, which sets its loop unless a factory made the loop."""
    return any(
        asyncio_name(module.names.path(item.context_expr.func, scope)) == "Runner"
        and all(keyword.arg != "loop_factory" for keyword in item.context_expr.keywords)
        for node, scope in context.protected_by
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.context_expr, ast.Call)
    )


def _weaker_if_set(uses: CurrentLoopUses, context: NodeContext, match: RuleMatch) -> RuleMatch:
    """Lower the certainty if the module sets a loop, because that loop may be current here."""
    return replace(match, certainty="possible") if uses.sets(context.scope.module) else match


def _missing_loop(where: str, certainty: Certainty, *, always: bool = False) -> RuleMatch:
    rule = RULES["CTX301"]
    message = f"asyncio.get_event_loop() {where}"
    if always:
        return RuleMatch(rule.code, message, certainty, None, _EVERY_PYTHON)
    return RuleMatch(rule.code, message, certainty, rule.warns, rule.fails)


def _in_worker(worker: Worker) -> RuleMatch:
    if worker.is_thread:
        return _missing_loop(f"in a function run by {worker.name}, which never has a loop", "certain", always=True)
    return _missing_loop(f"in a function run by {worker.name}, where no loop runs", "likely")


def _without_set_call(module: CheckedModule, uses: CurrentLoopUses, call: ast.Call, context: NodeContext) -> RuleMatch:
    if context.scope.function_or_module.kind == "module":
        return _missing_loop("at module level, where no loop runs", "certain")
    return _weaker_if_set(uses, context, _in_function(module, uses, call, context))


def _in_function(module: CheckedModule, uses: CurrentLoopUses, call: ast.Call, context: NodeContext) -> RuleMatch:
    scope = context.scope.function_or_module
    if uses.runs_loop_of(scope, call):
        return _missing_loop("for a loop that this function then runs; no other loop can be running", "likely")
    if _after_no_running_loop(module, uses, context):
        return _missing_loop("after get_running_loop() has found no loop", "likely")
    if scope.enclosing_class and getattr(scope.node, "name", "") in _CONSTRUCTORS:
        return _missing_loop("in a constructor fails for objects made where no loop runs", "likely")
    return _missing_loop("in a function fails if the function is called where no loop runs", "possible")


def _after_no_running_loop(module: CheckedModule, uses: CurrentLoopUses, context: NodeContext) -> bool:
    """Return whether the node is in the handler of a failed ``get_running_loop()``."""
    statement = context.handler_of
    return (
        statement is not None
        and uses.tries_running_loop(statement)
        and module.handlers.first_handler(statement, "RuntimeError") is not None
    )


def _set_in_worker(
    module: CheckedModule, uses: CurrentLoopUses, call: ast.Call, context: NodeContext, worker: Worker
) -> Finding | None:
    stays = worker.reused and not uses.sets(context.scope.function_or_module, none=True)
    reason = "the loop stays set for the next function" if stays else "asyncio.run() does this itself"
    message = f"asyncio.set_event_loop() in a function run by {worker.name}: {reason}"
    return module.finding(call, context, RuleMatch("CTX302", message, "likely" if stays else "possible"))
