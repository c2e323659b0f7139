"""Handled exceptions: whether the program continues after an exception at a node."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Literal, final

from ctxpolicy._check.asyncio_names import RUN_METHODS
from ctxpolicy._check.syntax.reachability import ends_program

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ctxpolicy._check.syntax.name_resolution import NameResolver
    from ctxpolicy._check.syntax.scopes import NodeContext, Scope, TryOrWith

_BROAD = frozenset(("Exception", "BaseException"))

_Outcome = Literal["continues", "fails", "propagates"]
"""The effect of an exception: the program continues or fails, or the exception propagates to enclosing statements."""


@final
class ExceptionHandlers:
    """Evaluates the ``try`` and ``with contextlib.suppress`` statements around a node.

    A handler that names the exception expects it. A handler for all exceptions counts as handling this one only if
    nothing else in its block can raise an exception: ``except Exception`` around a whole program hides the failure, but
    the program does not continue.
    """

    def __init__(self, names: NameResolver) -> None:
        self._names = names
        self._cache: dict[tuple[TryOrWith, str], _Outcome] = {}

    def is_handled(self, context: NodeContext, exception: str) -> bool:
        """Return whether an exception raised at a node is handled, and the program continues."""
        outcomes = (self._outcome(statement, exception) for statement in reversed(context.protected_by))
        return next((outcome for outcome in outcomes if outcome != "propagates"), "fails") == "continues"

    def statement_handles(self, statement: TryOrWith, exception: str) -> bool:
        """Return whether a statement handles an exception raised in its block, and the program continues."""
        return self._outcome(statement, exception) == "continues"

    def first_handler(self, statement: TryOrWith, exception: str) -> ast.ExceptHandler | None:
        """Return the first handler of a statement that catches an exception."""
        types = {exception, *_BROAD}
        handlers = [] if isinstance(statement.node, ast.With) else statement.node.handlers
        return next((each for each in handlers if types & self._caught_types(each, statement.scope)), None)

    def _outcome(self, statement: TryOrWith, exception: str) -> _Outcome:
        key = (statement, exception)
        if key not in self._cache:
            evaluate = self._outcome_of_with if isinstance(statement.node, ast.With) else self._outcome_of_try
            self._cache[key] = evaluate(statement, exception)
        return self._cache[key]

    def _outcome_of_with(self, statement: TryOrWith, exception: str) -> _Outcome:
        node, scope = statement
        suppressed = {
            name
            for item in (node.items if isinstance(node, ast.With) else ())
            if isinstance(item.context_expr, ast.Call)
            and self._names.path(item.context_expr.func, scope) == "contextlib.suppress"
            for argument in item.context_expr.args
            for name in self._builtin_names(argument, scope)
        }
        return _outcome_by_types(suppressed, exception, node.body)

    def _outcome_of_try(self, statement: TryOrWith, exception: str) -> _Outcome:
        handler = self.first_handler(statement, exception)
        last = handler.body[-1] if handler else None
        if handler is None or (isinstance(last, ast.Raise) and last.exc is None):
            return "propagates"
        if isinstance(last, ast.Raise) or ends_program(handler.body):
            return "fails"
        return _outcome_by_types(self._caught_types(handler, statement.scope), exception, statement.node.body)

    def _caught_types(self, handler: ast.ExceptHandler, scope: Scope) -> set[str]:
        return {"BaseException"} if handler.type is None else self._builtin_names(handler.type, scope)

    def _builtin_names(self, expression: ast.expr, scope: Scope) -> set[str]:
        types = expression.elts if isinstance(expression, ast.Tuple) else [expression]
        paths = [self._names.path(each, scope) for each in types]
        return {path.removeprefix("builtins.") for path in paths if path.startswith("builtins.")}


def _outcome_by_types(caught: Collection[str], exception: str, block: Sequence[ast.stmt]) -> _Outcome:
    if exception in caught:
        return "continues"
    if _BROAD.isdisjoint(caught):
        return "propagates"
    return "continues" if _is_one_simple_statement(block) else "fails"


def _is_one_simple_statement(block: Sequence[ast.stmt]) -> bool:
    """Return whether a block is one simple statement that does not run a loop.

    A statement that runs a loop may run most of the program.
    """
    (first, *others) = block
    return not (others or "body" in first._fields) and not any(
        isinstance(node, ast.Await) or getattr(node, "attr", "") in RUN_METHODS for node in ast.walk(first)
    )
