"""What statements say of the places in them and after them: early exits, skipped tests, matched versions."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctxpolicy._check.syntax.scopes import Place

_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_EXITS = ("exit", "_exit", "quit")
_SKIPS = {"skipIf": False, "skipif": False, "skipUnless": True}


def after(statement: ast.stmt, place: Place) -> Place:
    """Give the place of what follows a statement: an early exit is a condition on the rest."""
    if isinstance(statement, ast.Assert):
        return place.given(statement.test)
    if isinstance(statement, ast.Try) and statement.handlers:
        return place.given(statement) if all(leaves(each.body) for each in statement.handlers) else place
    while isinstance(statement, ast.If) and leaves(statement.body):
        place = place.unless(statement.test)
        if not statement.orelse:
            return place
        statement = statement.orelse[-1]  # elif
    if isinstance(statement, ast.If) and leaves(statement.orelse):
        return place.given(statement.test)
    return place


def unless_skipped(function: Any, place: Place) -> Place:
    """Give the place under the conditions of ``@unittest.skipIf`` and the like, on a function or on its class."""
    place = _decorated(function, place)
    around = place.scope
    if around.kind == "class" and around.parent is not None:
        place = _decorated(around.node, place._replace(scope=around.parent))
    return place


def as_comparison(subject: ast.expr, pattern: ast.pattern) -> ast.expr:
    """Write what ``case (3, 12, *_)`` asks for as ``subject[:2] == (3, 12)``, and other patterns as what may hold."""
    patterns = pattern.patterns if isinstance(pattern, ast.MatchSequence) else []
    values = [each.value for each in patterns[:2] if isinstance(each, ast.MatchValue)]
    if not values or len(values) < len(patterns[:2]):
        return ast.Constant(value=True)
    beginning = ast.Subscript(subject, ast.Slice(None, ast.Constant(len(values))), ast.Load())
    return ast.Compare(beginning, [ast.Eq()], [ast.Tuple(values, ast.Load())])


def _decorated(node: Any, place: Place) -> Place:
    for decorator in getattr(node, "decorator_list", ()):
        called = decorator.func if isinstance(decorator, ast.Call) and decorator.args else None
        runs = _SKIPS.get(getattr(called, "attr", getattr(called, "id", "")))
        if runs is not None:
            place = place.given(decorator.args[0]) if runs else place.unless(decorator.args[0])
    return place


def leaves(block: Sequence[ast.stmt]) -> bool:
    """Tell whether what follows a block is not reached from its end."""
    last = block[-1] if block else None
    return isinstance(last, _LEAVES) or _called(last) in (*_EXITS, "skip")  # pytest.skip()


def exits(block: Sequence[ast.stmt]) -> bool:
    """Tell whether a block ends with the end of the program: ``sys.exit()``, ``exit()``, ``os._exit()``."""
    return _called(block[-1]) in _EXITS


def _called(statement: ast.stmt | None) -> str:
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return ""
    function = statement.value.func
    return str(getattr(function, "attr", getattr(function, "id", "")))
