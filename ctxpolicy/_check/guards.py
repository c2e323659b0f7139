"""What guards a place: the Pythons on which it is reached, and the exceptions that are caught there."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple, cast, final

from ctxpolicy._check.facts import ADDED, asyncio_name, removed
from ctxpolicy._check.model import Version
from ctxpolicy._check.names import Names, literal
from ctxpolicy._check.scopes import Assigned, Catcher, Condition, Place, Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

Limit = Version | None
"""Reached only before this Python; ``None``: on all."""

NEVER = Version(0, 0)

_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


@final
class Limits(NamedTuple):
    """Before which Python a condition can hold, and before which it can fail to."""

    held: Limit = None
    failed: Limit = None


@final
class Guards:
    """Reads the conditions and handlers around a place."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._open: set[tuple[Scope, str]] = set()
        self._known: dict[Condition, Limit] = {}

    def limit(self, place: Place) -> Limit:
        """Give the first Python on which a place is not reached any more."""
        pending: list[Condition] = []
        condition = place.condition
        while condition is not None and condition not in self._known:
            pending.append(condition)
            condition = condition.before
        limit = None if condition is None else self._known[condition]
        for condition in reversed(pending):
            limit = self._known[condition] = _least((limit, self._limit(condition)))
        return limit

    def caught(self, place: Place, exception: str) -> bool:
        """Tell whether an exception raised at a place is handled there, and the program goes on."""
        return any(self.catches(catcher, exception) for catcher in place.catchers)

    def catches(self, catcher: Catcher, exception: str) -> bool:
        """Tell whether a ``try`` or ``with contextlib.suppress`` handles an exception."""
        wanted = {exception, "Exception", "BaseException"}
        node, scope = catcher
        if isinstance(node, ast.With):
            return any(self._suppresses(item.context_expr, scope, wanted) for item in node.items)
        return any(
            handler.type is None or self._names_any(handler.type, scope, wanted)
            for handler in node.handlers
            if not isinstance(handler.body[-1], ast.Raise)
        )

    def _suppresses(self, expression: ast.expr, scope: Scope, wanted: Collection[str]) -> bool:
        if not isinstance(expression, ast.Call) or self._names.path(expression.func, scope) != "contextlib.suppress":
            return False
        return any(self._names_any(argument, scope, wanted) for argument in expression.args)

    def _names_any(self, expression: ast.expr, scope: Scope, wanted: Collection[str]) -> bool:
        each = expression.elts if isinstance(expression, ast.Tuple) else [expression]
        return any(self._names.path(part, scope) in {f"builtins.{name}" for name in wanted} for part in each)

    def _limit(self, condition: Condition) -> Limit:
        limits = self._limits(condition.expression, condition.scope)
        return limits.held if condition.held else limits.failed

    def _limits(self, test: ast.expr, scope: Scope) -> Limits:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            held, failed = self._limits(test.operand, scope)
            return Limits(failed, held)
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
            return Limits(_least(held), _greatest(failed))
        return Limits(_greatest(held), _least(failed))

    def _hasattr(self, test: ast.Call, scope: Scope) -> Limits:
        name = literal(test, 1)
        owners = self._names.paths(test.args[0], scope) if name else ()
        return _any_of(_existence(f"{owner}.{name}") for owner in owners)

    def _truth(self, test: ast.expr, scope: Scope) -> Limits:
        """Read ``if NAME``: a typing flag, a name that asyncio may have lacked, or an earlier test's result."""
        paths = self._names.paths(test, scope)
        if paths & {"typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING"}:
            return Limits(NEVER, None)
        if paths:
            return Limits(_any_of(map(_existence, paths)).held, None)
        return self._named_test(test, scope) if isinstance(test, ast.Name) else Limits()

    def _named_test(self, test: ast.Name, scope: Scope) -> Limits:
        home = scope.find(test.id)
        bindings = home.bindings[test.id] if home else []
        if home is None or len(bindings) != 1 or not isinstance(bindings[0], Assigned) or (home, test.id) in self._open:
            return Limits()
        self._open.add((home, test.id))
        try:
            return self._limits(bindings[0].value, home)
        finally:
            self._open.remove((home, test.id))

    def _compared(self, test: ast.Compare, scope: Scope) -> Limits:
        operands = [test.left, *test.comparators]
        parts = [
            self._comparison(left, operator, right, scope)
            for left, operator, right in zip(operands, test.ops, operands[1:], strict=False)
        ]
        return Limits(_least(part.held for part in parts), _greatest(part.failed for part in parts))

    def _comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr, scope: Scope) -> Limits:
        if isinstance(operator, (ast.Is, ast.IsNot)):
            truth = self._truth(left, scope) if isinstance(right, ast.Constant) and right.value is None else Limits()
            return truth if isinstance(operator, ast.IsNot) else Limits(truth.failed, truth.held)
        kind = type(operator)
        part = self._version_part(left, scope)
        if part is None and kind in _MIRRORED:
            left, right, kind = right, left, _MIRRORED[kind]
            part = self._version_part(left, scope)
        wanted = None if part is None else _numbers(right, part)
        return Limits() if wanted is None else _version_limits(kind, wanted, whole=part in ("whole", "hex"))

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


def _numbers(expression: ast.expr, part: str) -> tuple[int, ...] | None:
    """Read what a version is compared with as a tuple that starts with the major version."""
    in_tuple = isinstance(expression, ast.Tuple)
    elements = expression.elts if isinstance(expression, ast.Tuple) else [expression]
    integers = tuple(_integers(elements))
    if in_tuple != (part in ("whole", "major.minor")) or len(integers) < min(len(elements), 2) or not integers:
        return None
    return integers if in_tuple else _from_number(integers[0], part)


def _integers(elements: list[ast.expr]) -> Iterator[int]:
    """Give the numbers that a version begins with: those of ``(3, 14, 0, "beta", 1)``."""
    for each in elements:
        if not isinstance(each, ast.Constant) or not isinstance(each.value, int):
            return
        yield each.value


def _from_number(number: int, part: str) -> tuple[int, ...]:
    if part == "hex":
        return (number >> 24, number >> 16 & 0xFF, number >> 8 & 0xFF)
    return (3, number) if part == "minor" else (number,)


def _version_limits(kind: type[ast.cmpop], wanted: tuple[int, ...], *, whole: bool) -> Limits:
    """Give the limits of ``sys.version_info <kind> wanted``.

    Where the whole is compared with fewer numbers than it has, it is greater than what it begins with:
    ``(3, 13, 0, ...) > (3, 13)``.
    """
    release = Version(wanted[0], wanted[1] if len(wanted) > 1 else 0)
    following = Version(release.major, release.minor + 1) if len(wanted) > 1 else Version(release.major + 1, 0)
    within = whole and any(wanted[2:])  # the limit is inside the release: some of its versions are on either side
    lower, upper = (following, following) if within else (release, release if whole else following)
    if kind is ast.Lt:
        return Limits(lower, None)
    if kind is ast.LtE:
        return Limits(upper, None)
    if kind is ast.GtE:
        return Limits(None, lower)
    if kind is ast.Gt:
        return Limits(None, upper)
    return Limits(following, None) if kind is ast.Eq else Limits()


def _existence(path: str) -> Limits:
    """Give the limits of "asyncio has this name"."""
    gone = removed(path)
    added = ADDED.get(asyncio_name(path) or "")
    return Limits(gone and gone.fails, added)


def _least(limits: Iterable[Limit]) -> Limit:
    return min((limit for limit in limits if limit is not None), default=None)


def _greatest(limits: Iterable[Limit]) -> Limit:
    every = list(limits)
    return None if None in every else max(cast("list[Version]", every), default=None)


def _any_of(parts: Iterable[Limits]) -> Limits:
    every = list(parts)
    return Limits(_greatest(part.held for part in every), _greatest(part.failed for part in every))
