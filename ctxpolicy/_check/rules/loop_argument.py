"""CTX401: ``loop=`` passed to functions and classes that no longer accept it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ctxpolicy._check.asyncio_names import REFUSE_LOOP_ARGUMENT, asyncio_name
from ctxpolicy._check.catalog import RULES
from ctxpolicy._check.checked_module import CheckedModule, RuleMatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctxpolicy._check.report import Finding
    from ctxpolicy._check.syntax.scopes import Scope


def find(module: CheckedModule) -> Iterator[Finding | None]:
    """Find ``loop=`` in calls of functions and classes of asyncio that refuse it."""
    rule = RULES["CTX401"]
    for call, context in module.nodes.calls:
        for keyword in call.keywords:
            name = _callee(module, call, context.scope) if keyword.arg == "loop" else None
            if name in REFUSE_LOOP_ARGUMENT:
                message = f"asyncio.{name}() accepts no loop= since Python {rule.fails}"
                match = RuleMatch(rule.code, message, "certain", rule.warns, rule.fails)
                handled = module.handlers.is_handled(context, "TypeError")
                yield module.finding(keyword, context, match, handled=handled)


def _callee(module: CheckedModule, call: ast.Call, scope: Scope) -> str | None:
    function = call.func
    if module.names.path(function, scope) == "functools.partial" and call.args:
        function = call.args[0]
    if isinstance(function, ast.Attribute) and function.attr == "__init__":
        return _constructed_class(module, function.value, scope)
    return _asyncio_callee(module, function, scope)


def _constructed_class(module: CheckedModule, owner: ast.expr, scope: Scope) -> str | None:
    """Return the asyncio class whose ``__init__`` is called, if any.

    The call is either ``asyncio.Queue.__init__(self)`` or ``super().__init__()`` in a subclass.
    """
    if isinstance(owner, ast.Call) and module.names.path(owner.func, scope) == "builtins.super":
        around = scope.function_or_module.enclosing_class
        bases = getattr(around.node, "bases", []) if around else []
        return _asyncio_callee(module, bases[0], scope) if bases else None
    return _asyncio_callee(module, owner, scope)


def _asyncio_callee(module: CheckedModule, function: ast.expr, scope: Scope) -> str | None:
    while isinstance(function, ast.Subscript):  # asyncio.Queue[int]
        function = function.value
    return asyncio_name(module.names.path(function, scope))
