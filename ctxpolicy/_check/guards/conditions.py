"""Conditions around a node: the first Python version on which they no longer hold."""

from __future__ import annotations

import ast
from typing import final

from ctxpolicy._check.asyncio_names import ADDED, asyncio_name, find_removed
from ctxpolicy._check.guards.import_attempts import ImportAttempts
from ctxpolicy._check.guards.version_limits import NEVER, Limit, Limits, any_of, compare_version, earliest, latest
from ctxpolicy._check.syntax.name_resolution import NameResolver, string_argument
from ctxpolicy._check.syntax.scopes import Assigned, Condition, NodeContext, Scope, TryOrWith

_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


@final
class Conditions:
    """Evaluates the conditions around a node."""

    def __init__(self, names: NameResolver, import_attempts: ImportAttempts) -> None:
        self._names = names
        self._import_attempts = import_attempts
        self._cache: dict[Condition, Limit] = {}
        self._flags: dict[tuple[Scope, str], Limits] = {}

    def limit(self, context: NodeContext) -> Limit:
        """Return the first Python version on which the node is not reached; ``None`` if every version reaches it."""
        pending: list[Condition] = []
        condition = context.condition
        while condition is not None and condition not in self._cache:
            self._cache[condition] = None  # ends the recursion if a flag is set only where the flag itself is true
            pending.append(condition)
            condition = condition.previous
        limit = None if condition is None else self._cache[condition]
        for condition in reversed(pending):
            limit = self._cache[condition] = earliest((limit, self._limit(condition)))
        return limit

    def _limit(self, condition: Condition) -> Limit:
        if not isinstance(condition.expression, ast.expr):
            return self._import_attempts.limit(TryOrWith(condition.expression, condition.scope))
        limits = self._limits(condition.expression, condition.scope)
        return limits.true_before if condition.is_true else limits.false_before

    def _limits(self, test: ast.expr, scope: Scope) -> Limits:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self._limits(test.operand, scope).negated()
        if isinstance(test, ast.BoolOp):
            return self._limits_of_bool_op(test, scope)
        if isinstance(test, ast.Compare):
            return self._limits_of_compare(test, scope)
        if isinstance(test, ast.Constant):
            return Limits(None, NEVER) if test.value else Limits(NEVER, None)
        if isinstance(test, ast.Call) and self._names.path(test.func, scope) == "builtins.hasattr":
            return self._limits_of_hasattr(test, scope)
        return self._limits_of_truth(test, scope)

    def _limits_of_bool_op(self, test: ast.BoolOp, scope: Scope) -> Limits:
        parts = [self._limits(value, scope) for value in test.values]
        true_before, false_before = [part.true_before for part in parts], [part.false_before for part in parts]
        if isinstance(test.op, ast.And):
            return Limits(earliest(true_before), latest(false_before))
        return Limits(latest(true_before), earliest(false_before))

    def _limits_of_hasattr(self, test: ast.Call, scope: Scope) -> Limits:
        name = string_argument(test, 1)
        owners = self._names.paths(test.args[0], scope) if name else ()
        return any_of(_limits_of_existence(f"{owner}.{name}") for owner in owners)

    def _limits_of_truth(self, test: ast.expr, scope: Scope) -> Limits:
        """Evaluate ``if NAME``: a typing flag, a name that asyncio may lack, or the result of an earlier test."""
        paths = self._names.paths(test, scope)
        if paths & {"typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING"}:
            return Limits(NEVER, None)
        exists = any_of(map(_limits_of_existence, paths)).true_before
        flag = self._limits_of_flag(test, scope) if isinstance(test, ast.Name) else Limits()
        return Limits(earliest((exists, flag.true_before)), flag.false_before)

    def _limits_of_flag(self, test: ast.Name, scope: Scope) -> Limits:
        """Evaluate a flag with known values, such as ``HAS = True`` in a ``try`` and ``HAS = False`` in its handler."""
        bound_in = scope.binding_scope(test.id)
        if bound_in is None:
            return Limits()
        key = (bound_in, test.id)
        if key not in self._flags:
            self._flags[key] = Limits()  # ends the recursion if the flag is set to itself
            bindings = bound_in.bindings[test.id]
            assigned = [binding for binding in bindings if isinstance(binding, Assigned)]
            self._flags[key] = self._limits_of_assignments(assigned) if len(assigned) == len(bindings) else Limits()
        return self._flags[key]

    def _limits_of_assignments(self, bindings: list[Assigned]) -> Limits:
        true_before: list[Limit] = []
        false_before: list[Limit] = []
        for value, context in bindings:
            limits = self._limits(value, context.scope)
            reached = earliest((self.limit(context), *map(self._import_attempts.limit, context.protected_by)))
            true_before.append(earliest((limits.true_before, reached)))
            false_before.append(earliest((limits.false_before, reached)))
        return Limits(earliest((latest(true_before), self._limit_of_reset(bindings))), latest(false_before))

    def _limit_of_reset(self, bindings: list[Assigned]) -> Limit:
        """Return the limit of a flag whose last assignment is a handler that sets the flag to a false value."""
        value, context = max(bindings, key=lambda binding: binding.value.lineno)
        false = isinstance(value, ast.Constant) and not value.value
        return self._import_attempts.limit(context.handler_of) if false and context.handler_of else None

    def _limits_of_compare(self, test: ast.Compare, scope: Scope) -> Limits:
        operands = [test.left, *test.comparators]
        parts = [
            self._limits_of_comparison(left, operator, right, scope)
            for left, operator, right in zip(operands, test.ops, operands[1:], strict=False)
        ]
        return Limits(earliest(part.true_before for part in parts), latest(part.false_before for part in parts))

    def _limits_of_comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr, scope: Scope) -> Limits:
        if isinstance(operator, (ast.Is, ast.IsNot)):
            is_none = isinstance(right, ast.Constant) and right.value is None
            not_none = self._limits_of_truth(left, scope) if is_none else Limits()
            return not_none if isinstance(operator, ast.IsNot) else not_none.negated()
        kind = type(operator)
        part = self._version_part(left, scope)
        if part is None and kind in _MIRRORED:
            left, right, kind = right, left, _MIRRORED[kind]
            part = self._version_part(left, scope)
        return Limits() if part is None else compare_version(part, kind, right)

    def _version_part(self, expression: ast.expr, scope: Scope) -> str | None:
        """Return the part of the Python version that an expression reads, or ``None`` if it reads none.

        The parts are ``whole``, ``major.minor``, ``major``, ``minor`` and ``hex``.
        """
        if isinstance(expression, ast.Subscript) and self._names.path(expression.value, scope) == "sys.version_info":
            return {"0": "major", "1": "minor", ":1": "major.minor", ":2": "major.minor"}.get(
                ast.unparse(expression.slice)
            )
        parts = {"": "whole", ".major": "major", ".minor": "minor"}
        path = self._names.path(expression, scope)
        if path == "sys.hexversion":
            return "hex"
        top, found, rest = path.partition("sys.version_info")
        return parts.get(rest) if found and not top else None


def _limits_of_existence(path: str) -> Limits:
    """Return the limits of the condition that asyncio has a name."""
    gone = find_removed(path)
    added = ADDED.get(asyncio_name(path) or "")
    return Limits(gone and gone.fails, added)
