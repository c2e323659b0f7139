"""Attempts to import or look up names: a ``try`` whose block runs to the end proves that asyncio has these names."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeGuard, final

from ctxpolicy._check.asyncio_names import REMOVED_NAMES, find_removed
from ctxpolicy._check.guards.version_limits import Limit, earliest
from ctxpolicy._check.syntax.name_resolution import string_argument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ctxpolicy._check.guards.exception_handlers import ExceptionHandlers
    from ctxpolicy._check.syntax.name_resolution import NameResolver
    from ctxpolicy._check.syntax.scopes import TryOrWith

_PARTLY_EVALUATED = (ast.BoolOp, ast.Match, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@final
class ImportAttempts:
    """Evaluates ``try`` statements that handle the exception for a missing name."""

    def __init__(self, names: NameResolver, handlers: ExceptionHandlers) -> None:
        self._names = names
        self._handlers = handlers
        self._cache: dict[TryOrWith, Limit] = {}

    def limit(self, statement: TryOrWith) -> Limit:
        """Return the first Python version on which the block of a statement does not run to its end."""
        if statement not in self._cache:
            self._cache[statement] = earliest(
                gone.fails
                for path, exception in self._lookups(statement)
                if (gone := find_removed(path)) and self._handlers.statement_handles(statement, exception)
            )
        return self._cache[statement]

    def _lookups(self, statement: TryOrWith) -> Iterator[tuple[str, str]]:
        """Return the dotted paths that the block always looks up, each with the exception for a missing name."""
        for node in _always_evaluated(statement.node.body):
            if isinstance(node, ast.ImportFrom):
                yield from ((f"{node.module}.{alias.name}", "ImportError") for alias in node.names if not node.level)
            elif _is_lookup(node):
                yield self._names.path(node, statement.scope), "AttributeError"


def _is_lookup(node: ast.AST) -> TypeGuard[ast.Attribute | ast.Call]:
    if isinstance(node, ast.Call):  # getattr() without a default
        return string_argument(node, 1) in REMOVED_NAMES and not node.args[2:]
    return isinstance(node, ast.Attribute) and node.attr in REMOVED_NAMES


def _always_evaluated(block: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """Return the nodes that every run to the end of a block evaluates.

    Among compound statements, only a class is certain to run.
    """
    pending: list[ast.AST] = list(block)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.ClassDef) or not ("body" in node._fields or isinstance(node, _PARTLY_EVALUATED)):
            yield node
            pending.extend(ast.iter_child_nodes(node))
