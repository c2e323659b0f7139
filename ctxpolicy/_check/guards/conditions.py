"""What guards a place: the Pythons on which it is reached, as far as conditions say."""

from __future__ import annotations

import ast
from typing import final

from ctxpolicy._check.asyncio_names import ADDED, asyncio_name, removed
from ctxpolicy._check.guards.import_attempts import Trials
from ctxpolicy._check.guards.version_limits import NEVER, Limit, Limits, any_of, compared, greatest, least
from ctxpolicy._check.syntax.name_resolution import Names, literal
from ctxpolicy._check.syntax.scopes import Assigned, Catcher, Condition, Place, Scope

_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


@final
class Guards:
    """Reads the conditions around a place."""

    def __init__(self, names: Names, trials: Trials) -> None:
        self._names = names
        self._trials = trials
        self._known: dict[Condition, Limit] = {}
        self._flags: dict[tuple[Scope, str], Limits] = {}

    def limit(self, place: Place) -> Limit:
        """Give the first Python on which a place is not reached any more."""
        pending: list[Condition] = []
        condition = place.condition
        while condition is not None and condition not in self._known:
            self._known[condition] = None  # what a flag adds that is set only where it holds
            pending.append(condition)
            condition = condition.before
        limit = None if condition is None else self._known[condition]
        for condition in reversed(pending):
            limit = self._known[condition] = least((limit, self._limit(condition)))
        return limit

    def _limit(self, condition: Condition) -> Limit:
        if not isinstance(condition.expression, ast.expr):
            return self._trials.limit(Catcher(condition.expression, condition.scope))
        limits = self._limits(condition.expression, condition.scope)
        return limits.held if condition.held else limits.failed

    def _limits(self, test: ast.expr, scope: Scope) -> Limits:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self._limits(test.operand, scope).negated()
        if isinstance(test, ast.BoolOp):
            return self._combined(test, scope)
        if isinstance(test, ast.Compare):
            return self._compared(test, scope)
        if isinstance(test, ast.Constant):
            return Limits(None, NEVER) if test.value else Limits(NEVER, None)
        if isinstance(test, ast.Call) and self._names.path(test.func, scope) == "builtins.hasattr":
            return self._hasattr(test, scope)
        return self._truth(test, scope)

    def _combined(self, test: ast.BoolOp, scope: Scope) -> Limits:
        parts = [self._limits(value, scope) for value in test.values]
        held, failed = [part.held for part in parts], [part.failed for part in parts]
        if isinstance(test.op, ast.And):
            return Limits(least(held), greatest(failed))
        return Limits(greatest(held), least(failed))

    def _hasattr(self, test: ast.Call, scope: Scope) -> Limits:
        name = literal(test, 1)
        owners = self._names.paths(test.args[0], scope) if name else ()
        return any_of(_existence(f"{owner}.{name}") for owner in owners)

    def _truth(self, test: ast.expr, scope: Scope) -> Limits:
        """Read ``if NAME``: a typing flag, a name that asyncio may have lacked, or an earlier test's result."""
        paths = self._names.paths(test, scope)
        if paths & {"typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING"}:
            return Limits(NEVER, None)
        exists = any_of(map(_existence, paths)).held
        flag = self._flag(test, scope) if isinstance(test, ast.Name) else Limits()
        return Limits(least((exists, flag.held)), flag.failed)

    def _flag(self, test: ast.Name, scope: Scope) -> Limits:
        """Read a name that is only ever set to what can be read: ``HAS = True`` in a ``try``, ``HAS = False`` after."""
        home = scope.find(test.id)
        if home is None:
            return Limits()
        key = (home, test.id)
        if key not in self._flags:
            self._flags[key] = Limits()  # what a flag adds that is set to itself
            bindings = home.bindings[test.id]
            assigned = [binding for binding in bindings if isinstance(binding, Assigned)]
            self._flags[key] = self._assigned(assigned) if len(assigned) == len(bindings) else Limits()
        return self._flags[key]

    def _assigned(self, bindings: list[Assigned]) -> Limits:
        held: list[Limit] = []
        failed: list[Limit] = []
        for value, place in bindings:
            limits = self._limits(value, place.scope)
            reached = least((self.limit(place), *map(self._trials.limit, place.catchers)))
            held.append(least((limits.held, reached)))
            failed.append(least((limits.failed, reached)))
        return Limits(least((greatest(held), self._denied(bindings))), greatest(failed))

    def _denied(self, bindings: list[Assigned]) -> Limit:
        """Give the limit of a flag that a handler takes back, as the last to set it."""
        value, place = max(bindings, key=lambda binding: binding.value.lineno)
        false = isinstance(value, ast.Constant) and not value.value
        return self._trials.limit(place.recovering) if false and place.recovering else None

    def _compared(self, test: ast.Compare, scope: Scope) -> Limits:
        operands = [test.left, *test.comparators]
        parts = [
            self._comparison(left, operator, right, scope)
            for left, operator, right in zip(operands, test.ops, operands[1:], strict=False)
        ]
        return Limits(least(part.held for part in parts), greatest(part.failed for part in parts))

    def _comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr, scope: Scope) -> Limits:
        if isinstance(operator, (ast.Is, ast.IsNot)):
            truth = self._truth(left, scope) if isinstance(right, ast.Constant) and right.value is None else Limits()
            return truth if isinstance(operator, ast.IsNot) else truth.negated()
        kind = type(operator)
        part = self._version_part(left, scope)
        if part is None and kind in _MIRRORED:
            left, right, kind = right, left, _MIRRORED[kind]
            part = self._version_part(left, scope)
        return Limits() if part is None else compared(part, kind, right)

    def _version_part(self, expression: ast.expr, scope: Scope) -> str | None:
        """Say which part of ``sys.version_info`` this is: whole, major.minor, major, minor or hex; else ``None``."""
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


def _existence(path: str) -> Limits:
    """Give the limits of "asyncio has this name"."""
    gone = removed(path)
    added = ADDED.get(asyncio_name(path) or "")
    return Limits(gone and gone.fails, added)
