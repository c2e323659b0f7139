"""CTX401: ``loop=`` given to what has dropped it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ctxpolicy._check.asyncio_names import LOOP_ARGUMENTS, asyncio_name
from ctxpolicy._check.catalog import RULES
from ctxpolicy._check.checked_module import Claim, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctxpolicy._check.report import Finding
    from ctxpolicy._check.syntax.scopes import Scope


def find(reading: Reading) -> Iterator[Finding | None]:
    """Find ``loop=`` in calls of what surely is asyncio's and refuses it."""
    rule = RULES["CTX401"]
    for call, place in reading.sites.calls:
        for keyword in call.keywords:
            name = _callee(reading, call, place.scope) if keyword.arg == "loop" else None
            if name in LOOP_ARGUMENTS:
                message = f"asyncio.{name}() takes no loop= in Python {rule.fails}"
                claim = Claim(rule.code, message, "certain", rule.warns, rule.fails)
                handled = reading.handlers.caught(place, "TypeError")
                yield reading.finding(keyword, place, claim, handled=handled)


def _callee(reading: Reading, call: ast.Call, scope: Scope) -> str | None:
    function = call.func
    if reading.names.path(function, scope) == "functools.partial" and call.args:
        function = call.args[0]
    if isinstance(function, ast.Attribute) and function.attr == "__init__":
        return _constructed(reading, function.value, scope)
    return _asyncio(reading, function, scope)


def _constructed(reading: Reading, owner: ast.expr, scope: Scope) -> str | None:
    """Say whose ``__init__`` is called: ``asyncio.Queue.__init__(self)``, or ``super().__init__()`` in a subclass."""
    if isinstance(owner, ast.Call) and reading.names.path(owner.func, scope) == "builtins.super":
        around = scope.unit.enclosing_class
        bases = getattr(around.node, "bases", []) if around else []
        return _asyncio(reading, bases[0], scope) if bases else None
    return _asyncio(reading, owner, scope)


def _asyncio(reading: Reading, function: ast.expr, scope: Scope) -> str | None:
    while isinstance(function, ast.Subscript):  # asyncio.Queue[int]
        function = function.value
    return asyncio_name(reading.names.path(function, scope))
