"""Conditions that statements imply: early exits, skipped tests and matched patterns."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctxpolicy._check.syntax.scopes import NodeContext

_JUMPS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_EXITS = ("exit", "_exit", "quit")
_SKIPS = {"skipIf": False, "skipif": False, "skipUnless": True}


def context_after(statement: ast.stmt, context: NodeContext) -> NodeContext:
    """Return the context after a statement, with a condition if a branch of the statement leaves the block."""
    if isinstance(statement, ast.Assert):
        return context.if_true(statement.test)
    if isinstance(statement, ast.Try) and statement.handlers:
        all_leave = all(cannot_fall_through(handler.body) for handler in statement.handlers)
        return context.if_true(statement) if all_leave else context
    while isinstance(statement, ast.If) and cannot_fall_through(statement.body):
        context = context.if_false(statement.test)
        if not statement.orelse:
            return context
        statement = statement.orelse[-1]  # elif
    if isinstance(statement, ast.If) and cannot_fall_through(statement.orelse):
        return context.if_true(statement.test)
    return context


def with_skip_conditions(function: Any, context: NodeContext) -> NodeContext:
    """Add the conditions of ``@unittest.skipIf`` and similar decorators of a function or of its class."""
    context = _with_decorator_conditions(function, context)
    scope = context.scope
    if scope.kind == "class" and scope.parent is not None:
        context = _with_decorator_conditions(scope.node, context._replace(scope=scope.parent))
    return context


def pattern_as_comparison(subject: ast.expr, pattern: ast.pattern) -> ast.expr:
    """Express a pattern as a comparison: ``case (3, 12, *_)`` becomes ``subject[:2] == (3, 12)``.

    Other patterns become ``True``, because they may match.
    """
    patterns = pattern.patterns if isinstance(pattern, ast.MatchSequence) else []
    values = [each.value for each in patterns[:2] if isinstance(each, ast.MatchValue)]
    if not values or len(values) < len(patterns[:2]):
        return ast.Constant(value=True)
    beginning = ast.Subscript(subject, ast.Slice(None, ast.Constant(len(values))), ast.Load())
    return ast.Compare(beginning, [ast.Eq()], [ast.Tuple(values, ast.Load())])


def _with_decorator_conditions(node: Any, context: NodeContext) -> NodeContext:
    for decorator in getattr(node, "decorator_list", ()):
        called = decorator.func if isinstance(decorator, ast.Call) and decorator.args else None
        runs_if_true = _SKIPS.get(getattr(called, "attr", getattr(called, "id", "")))
        if runs_if_true is not None:
            context = context.if_true(decorator.args[0]) if runs_if_true else context.if_false(decorator.args[0])
    return context


def cannot_fall_through(block: Sequence[ast.stmt]) -> bool:
    """Return whether control never reaches the statement after a block from the end of the block."""
    last = block[-1] if block else None
    return isinstance(last, _JUMPS) or _called(last) in (*_EXITS, "skip")  # pytest.skip()


def ends_program(block: Sequence[ast.stmt]) -> bool:
    """Return whether a block ends the program with ``sys.exit()``, ``exit()`` or ``os._exit()``."""
    return _called(block[-1]) in _EXITS


def _called(statement: ast.stmt | None) -> str:
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return ""
    function = statement.value.func
    return str(getattr(function, "attr", getattr(function, "id", "")))
