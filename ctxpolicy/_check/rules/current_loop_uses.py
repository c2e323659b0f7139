"""The calls of a module that get, set or run event loops, grouped by function or module level."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, final

from ctxpolicy._check.asyncio_names import RUN_METHODS, asyncio_name
from ctxpolicy._check.syntax.scopes import Assigned, NodeContext, Scope, TryOrWith

if TYPE_CHECKING:
    from ctxpolicy._check.checked_module import CheckedModule

_Position = tuple[int, int]


@final
class SetCall(NamedTuple):
    """A call of ``set_event_loop()``: the position of its end, whether it sets ``None``, and its context."""

    end: _Position
    sets_none: bool
    context: NodeContext

    def always_precedes(self, context: NodeContext) -> bool:
        """Return whether every path to a later node passes this call, judged by their conditions and handlers."""
        condition, handler_of = self.context.condition, self.context.handler_of
        return condition in (None, context.condition) and handler_of in (None, context.handler_of)


@final
class CurrentLoopUses:
    """The calls that show where a loop is current.

    They are collected once, because a module may have thousands of them.
    """

    def __init__(self, module: CheckedModule) -> None:
        self.get_calls: list[tuple[ast.Call, NodeContext]] = []
        self.set_calls: list[tuple[ast.Call, NodeContext]] = []
        self.default_factories: list[tuple[ast.expr, NodeContext]] = []
        """The places that pass ``get_event_loop`` as a ``default_factory``."""
        self._set_calls_by_scope: defaultdict[Scope, list[SetCall]] = defaultdict(list)
        self._setting_scopes: dict[bool, set[Scope]] = {True: set(), False: set()}
        self._tries_running_loop: set[TryOrWith] = set()
        self._loops_run: defaultdict[ast.AST, list[set[Scope]]] = defaultdict(list)
        self._names_run: defaultdict[tuple[Scope, str], set[Scope]] = defaultdict(set)
        for call, context in module.nodes.calls:
            scope = context.scope
            self._record(asyncio_name(module.names.path(call.func, scope)), call, context)
            self.default_factories.extend((factory, context) for factory in _default_factories(module, call, scope))
        for set_calls in self._set_calls_by_scope.values():
            set_calls.sort(key=_end_of)
        self._resolve_names_run()

    def last_set_call(self, scope: Scope, before: ast.expr) -> SetCall | None:
        """Return the last ``set_event_loop()`` before an expression, in a function or at module level."""
        set_calls = self._set_calls_by_scope.get(scope, [])
        position = bisect_right(set_calls, (before.lineno, before.col_offset), key=_end_of)
        return set_calls[position - 1] if position else None

    def sets(self, scope: Scope, *, none: bool = False) -> bool:
        """Return whether a function or module sets a loop, or, with ``none``, whether it sets ``None``."""
        return scope in self._setting_scopes[none]

    def runs_loop_of(self, scope: Scope, call: ast.Call) -> bool:
        """Return whether a function or module runs the loop that a call returns."""
        return any(scope in scopes for scopes in self._loops_run.get(call, ()))

    def tries_running_loop(self, statement: TryOrWith) -> bool:
        """Return whether the block of a statement calls ``get_running_loop()``."""
        return statement in self._tries_running_loop

    def _record(self, name: str | None, call: ast.Call, context: NodeContext) -> None:
        if name == "get_event_loop":
            self.get_calls.append((call, context))
        elif name == "set_event_loop":
            self._record_set_call(call, context)
        elif name in ("get_running_loop", "_get_running_loop"):
            self._tries_running_loop.update(context.protected_by)
        elif isinstance(call.func, ast.Attribute) and call.func.attr in RUN_METHODS:
            self._record_run(call.func.value, context.scope)

    def _record_set_call(self, call: ast.Call, context: NodeContext) -> None:
        scope = context.scope.function_or_module
        self.set_calls.append((call, context))
        self._set_calls_by_scope[scope].append(SetCall(_end(call), sets_none(call), context))
        self._setting_scopes[sets_none(call)].add(scope)

    def _record_run(self, loop: ast.expr, scope: Scope) -> None:
        """Record the loop whose ``run_until_complete`` or ``run_forever`` is called: a call's result, or a name."""
        self._loops_run[loop].append({scope.function_or_module})
        bound_in = scope.binding_scope(loop.id) if isinstance(loop, ast.Name) else None
        if isinstance(loop, ast.Name) and bound_in is not None:
            self._names_run[bound_in, loop.id].add(scope.function_or_module)

    def _resolve_names_run(self) -> None:
        for (bound_in, name), scopes in self._names_run.items():
            values = [binding.value for binding in bound_in.bindings[name] if isinstance(binding, Assigned)]
            for node in (node for value in values for node in ast.walk(value) if isinstance(node, ast.Call)):
                self._loops_run[node].append(scopes)


def _default_factories(module: CheckedModule, call: ast.Call, scope: Scope) -> list[ast.expr]:
    values = [keyword.value for keyword in call.keywords if keyword.arg == "default_factory"]
    return [value for value in values if asyncio_name(module.names.path(value, scope)) == "get_event_loop"]


def sets_none(set_call: ast.Call) -> bool:
    """Return whether a call is ``set_event_loop(None)``."""
    values = [*set_call.args, *(keyword.value for keyword in set_call.keywords)]
    return any(isinstance(value, ast.Constant) and value.value is None for value in values)


def _end(call: ast.Call) -> _Position:
    return call.end_lineno or 0, call.end_col_offset or 0


def _end_of(set_call: SetCall) -> _Position:
    return set_call.end
