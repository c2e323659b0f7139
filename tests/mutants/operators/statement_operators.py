"""A mutation operator that Cosmic Ray lacks: remove one statement.

Most gaps that a first sample of mutants found were of this kind: no test fails without a release, a check or a reset.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Keyword

# parso's names for: assignment, call, await, del, raise, return.
REMOVABLE = {"expr_stmt", "atom_expr", "power", "await_expr", "del_stmt", "raise_stmt", "return_stmt"}


class RemoveStatement(Operator):
    """Replaces a statement in a function by `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the statement of a line, unless it is at the top of a module or a class, or only declares a type."""
        if node.type == "simple_stmt" and node.children[0].type in REMOVABLE and _in_function(node):
            statement = node.children[0]
            if statement.type != "expr_stmt" or "=" in statement.get_code():
                yield statement.start_pos, statement.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Replace the statement."""
        first = node.get_first_leaf()
        node.children[0] = Keyword("pass", first.start_pos, first.prefix)
        node.children[0].parent = node
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return an example for Cosmic Ray's documentation."""
        return (Example("def f():\n    g()\n", "def f():\n    pass\n"),)


def _in_function(node: Any) -> bool:
    while node.parent is not None:
        node = node.parent
        if node.type in ("funcdef", "classdef"):
            return bool(node.type == "funcdef")
    return False


class Provider:
    """Gives Cosmic Ray the operators of this module."""

    def __iter__(self) -> Iterator[str]:
        return iter(["RemoveStatement"])

    def __getitem__(self, name: str) -> type[Operator]:
        return {"RemoveStatement": RemoveStatement}[name]
