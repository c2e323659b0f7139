"""What a ``try`` finds out: whether asyncio still has the names that its block takes."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeGuard, final

from ctxpolicy._check.asyncio_names import REMOVED_NAMES, removed
from ctxpolicy._check.guards.version_limits import Limit, least
from ctxpolicy._check.syntax.name_resolution import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ctxpolicy._check.guards.exception_handlers import Handlers
    from ctxpolicy._check.syntax.name_resolution import Names
    from ctxpolicy._check.syntax.scopes import Catcher

_PERHAPS = (ast.BoolOp, ast.Match, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@final
class Trials:
    """Reads the blocks of ``try`` statements that handle what a missing name raises."""

    def __init__(self, names: Names, handlers: Handlers) -> None:
        self._names = names
        self._handlers = handlers
        self._known: dict[Catcher, Limit] = {}

    def limit(self, catcher: Catcher) -> Limit:
        """Give the first Python on which the block does not come to its end."""
        if catcher not in self._known:
            self._known[catcher] = least(
                gone.fails
                for path, exception in self._taken(catcher)
                if (gone := removed(path)) and self._handlers.handles(catcher, exception)
            )
        return self._known[catcher]

    def _taken(self, catcher: Catcher) -> Iterator[tuple[str, str]]:
        """Give the paths that the block surely takes, each with what it raises where there is no such thing."""
        for node in _surely_evaluated(catcher.node.body):
            if isinstance(node, ast.ImportFrom):
                yield from ((f"{node.module}.{alias.name}", "ImportError") for alias in node.names if not node.level)
            elif _takes(node):
                yield self._names.path(node, catcher.scope), "AttributeError"


def _takes(node: ast.AST) -> TypeGuard[ast.Attribute | ast.Call]:
    if isinstance(node, ast.Call):  # getattr, without a default
        return literal(node, 1) in REMOVED_NAMES and not node.args[2:]
    return isinstance(node, ast.Attribute) and node.attr in REMOVED_NAMES


def _surely_evaluated(block: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """Give the nodes that are evaluated on every way to the end of a block; of compound statements, only a class."""
    todo: list[ast.AST] = list(block)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.ClassDef) or not ("body" in node._fields or isinstance(node, _PERHAPS)):
            yield node
            todo.extend(ast.iter_child_nodes(node))
