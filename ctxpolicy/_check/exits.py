"""How a block ends: by leaving the block around it, or by ending the program."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_EXITS = ("exit", "_exit", "quit")


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
