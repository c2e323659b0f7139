"""Which exceptions are handled at a place, so that the program goes on."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Literal, final

from ctxpolicy._check.asyncio_names import DRIVES
from ctxpolicy._check.syntax.reachability import exits

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ctxpolicy._check.syntax.name_resolution import Names
    from ctxpolicy._check.syntax.scopes import Catcher, Place, Scope

_BROAD = frozenset(("Exception", "BaseException"))

_Outcome = Literal["goes on", "fails", "passes"]
"""What becomes of the program, or that the exception passes to the statements around."""


@final
class Handlers:
    """Reads the ``try`` and ``with contextlib.suppress`` statements around a place.

    To name an exception is to expect it. What catches all exceptions expects this one only if nothing else can raise
    any: ``except Exception`` around a whole program hides that it fails, and does not make it go on.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._known: dict[tuple[Catcher, str], _Outcome] = {}

    def caught(self, place: Place, exception: str) -> bool:
        """Tell whether an exception raised at a place is handled there, and the program goes on."""
        outcomes = (self._outcome(catcher, exception) for catcher in reversed(place.catchers))
        return next((outcome for outcome in outcomes if outcome != "passes"), "fails") == "goes on"

    def handles(self, catcher: Catcher, exception: str) -> bool:
        """Tell whether a statement handles an exception raised in its block, and the program goes on."""
        return self._outcome(catcher, exception) == "goes on"

    def handler(self, catcher: Catcher, exception: str) -> ast.ExceptHandler | None:
        """Give the first handler that an exception gets to."""
        wanted = {exception, *_BROAD}
        handlers = [] if isinstance(catcher.node, ast.With) else catcher.node.handlers
        return next((each for each in handlers if wanted & self._caught_by(each, catcher.scope)), None)

    def _outcome(self, catcher: Catcher, exception: str) -> _Outcome:
        key = (catcher, exception)
        if key not in self._known:
            judge = self._suppressed if isinstance(catcher.node, ast.With) else self._handled
            self._known[key] = judge(catcher, exception)
        return self._known[key]

    def _suppressed(self, catcher: Catcher, exception: str) -> _Outcome:
        node, scope = catcher
        suppressed = {
            name
            for item in (node.items if isinstance(node, ast.With) else ())
            if isinstance(item.context_expr, ast.Call)
            and self._names.path(item.context_expr.func, scope) == "contextlib.suppress"
            for argument in item.context_expr.args
            for name in self._builtins(argument, scope)
        }
        return _judged(suppressed, exception, node.body)

    def _handled(self, catcher: Catcher, exception: str) -> _Outcome:
        handler = self.handler(catcher, exception)
        last = handler.body[-1] if handler else None
        if handler is None or (isinstance(last, ast.Raise) and last.exc is None):
            return "passes"
        if isinstance(last, ast.Raise) or exits(handler.body):
            return "fails"
        return _judged(self._caught_by(handler, catcher.scope), exception, catcher.node.body)

    def _caught_by(self, handler: ast.ExceptHandler, scope: Scope) -> set[str]:
        return {"BaseException"} if handler.type is None else self._builtins(handler.type, scope)

    def _builtins(self, expression: ast.expr, scope: Scope) -> set[str]:
        each = expression.elts if isinstance(expression, ast.Tuple) else [expression]
        paths = [self._names.path(part, scope) for part in each]
        return {path.removeprefix("builtins.") for path in paths if path.startswith("builtins.")}


def _judged(caught: Collection[str], exception: str, block: Sequence[ast.stmt]) -> _Outcome:
    if exception in caught:
        return "goes on"
    if _BROAD.isdisjoint(caught):
        return "passes"
    return "goes on" if _is_one_step(block) else "fails"


def _is_one_step(block: Sequence[ast.stmt]) -> bool:
    """Tell whether a block is one simple statement that runs no loop, and with it all of a program."""
    (first, *others) = block
    return not (others or "body" in first._fields) and not any(
        isinstance(node, ast.Await) or getattr(node, "attr", "") in DRIVES for node in ast.walk(first)
    )
