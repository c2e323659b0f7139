"""CTX101, CTX102, CTX103, CTX201 and CTX202: names that asyncio has removed.

A finding points at the place where the program takes the name from asyncio (an import, an attribute, ``getattr``),
because that is where the program fails. Later uses of the name are not reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctxpolicy._check.asyncio_names import POLICY_INSTANCE, REMOVED_NAMES, RemovedName, find_removed, find_star_removed
from ctxpolicy._check.checked_module import CheckedModule, Node, RuleMatch
from ctxpolicy._check.syntax.name_resolution import string_argument

if TYPE_CHECKING:
    import ast
    from collections.abc import Collection, Iterator

    from ctxpolicy._check.report import Certainty, Finding
    from ctxpolicy._check.syntax.scopes import NodeContext


def find(module: CheckedModule) -> Iterator[Finding | None]:
    """Find the places where the program takes a removed name from asyncio."""
    for import_, context in module.nodes.imports:
        for alias in import_.names if not import_.level else ():
            yield _judge_lookup(module, alias, context, {f"{import_.module}.{alias.name}"}, "ImportError")
    for attribute, context in module.nodes.attributes:
        yield _judge_lookup(module, attribute, context, module.names.paths(attribute, context.scope), "AttributeError")
    for call, context in module.nodes.calls:
        scope = context.scope
        if string_argument(call, 1) in REMOVED_NAMES and module.names.path(call.func, scope) == "builtins.getattr":
            has_default = len(call.args) > len(("object", "name"))
            paths = module.names.paths(call, scope)
            yield _judge_lookup(module, call, context, paths, "AttributeError", handled=has_default)
    for name, context in module.nodes.names:
        yield _from_star(module, name, context)


def _judge_lookup(
    module: CheckedModule,
    node: Node,
    context: NodeContext,
    paths: Collection[str],
    exception: str,
    *,
    handled: bool = False,
) -> Finding | None:
    """Return the finding for a lookup that may resolve to any of the given dotted paths."""
    path, gone = next(((path, gone) for path in sorted(paths) if (gone := find_removed(path))), ("", None))
    if gone is None:
        return None
    certainty: Certainty = "certain" if len(paths) == 1 else "likely"
    match = _match(path.replace(f"{POLICY_INSTANCE}.", "a policy's "), gone, context, certainty)
    return module.finding(node, context, match, handled=handled or module.handlers.is_handled(context, exception))


def _from_star(module: CheckedModule, name: ast.Name, context: NodeContext) -> Finding | None:
    gone = find_star_removed(name.id)
    path = module.names.path(name, context.scope) if context.scope.binding_scope(name.id) is None else ""
    if gone is None or not path.startswith("asyncio."):
        return None
    match = _match(f"{name.id} of `from asyncio import *`", gone, context, "certain")
    return module.finding(name, context, match, handled=module.handlers.is_handled(context, "NameError"))


def _match(what: str, gone: RemovedName, context: NodeContext, certainty: Certainty) -> RuleMatch:
    # Since 3.14 an annotation is evaluated only when it is looked up.
    certainty = "possible" if context.annotation else certainty
    return RuleMatch(
        gone.code, f"{what} is gone in Python {gone.fails}", certainty, gone.warns, gone.fails, gone.replacement
    )
