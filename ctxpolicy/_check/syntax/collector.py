"""Collect scopes, bindings and the nodes that rules look at, in one pass over a syntax tree.

The pass resolves no names, because the meaning of a name is known only when all of its bindings are known. The pass
uses a stack of its own, because deeply nested code would exceed Python's recursion limit.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, final

from ctxpolicy._check.asyncio_names import REMOVED_NAMES
from ctxpolicy._check.syntax.reachability import context_after, pattern_as_comparison, with_skip_conditions
from ctxpolicy._check.syntax.scopes import (
    Assigned,
    Binding,
    CollectedNodes,
    Defined,
    Imported,
    NodeContext,
    Scope,
    TryOrWith,
    Untracked,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BLOCKS = frozenset(("body", "orelse", "finalbody"))
_CHILDLESS = (ast.Constant, ast.expr_context, ast.operator, ast.cmpop, ast.unaryop)


def collect(tree: ast.Module) -> CollectedNodes:
    """Collect the nodes of a module."""
    collector = _Collector()
    collector.run(tree)
    return collector.nodes


@final
class _Collector:
    def __init__(self) -> None:
        self.nodes = CollectedNodes()
        self.scopes: list[Scope] = []
        self.pending: list[tuple[ast.AST, NodeContext]] = []

    def run(self, tree: ast.Module) -> None:
        self.block(tree.body, NodeContext(self.scope("module", tree)))
        while self.pending:
            node, context = self.pending.pop()
            _VISITORS.get(type(node), _Collector.children)(self, node, context)
        for scope in self.scopes:
            scope.apply_declarations()

    def scope(self, *args: Any) -> Scope:
        scope = Scope(*args)
        self.scopes.append(scope)
        return scope

    def add(self, node: ast.AST | None, context: NodeContext) -> None:
        if node is not None:
            self.pending.append((node, context))

    def add_all(self, nodes: Sequence[ast.AST | None], context: NodeContext) -> None:
        for node in nodes:
            self.add(node, context)

    def block(self, statements: Sequence[ast.stmt], context: NodeContext) -> None:
        for position, statement in enumerate(statements, 1):
            self.pending.append((statement, context))
            if position < len(statements):
                context = context_after(statement, context)

    def children(self, node: ast.AST, context: NodeContext) -> None:
        for name in node._fields:
            value: Any = getattr(node, name, None)
            if name in _BLOCKS:
                self.block(value, context)
            elif isinstance(value, list):
                # Some lists contain plain strings, such as the names of a global statement.
                self.add_all([each for each in value if isinstance(each, ast.AST)], context)
            elif isinstance(value, ast.AST) and not isinstance(value, _CHILDLESS):
                self.pending.append((value, context))

    # Scopes

    def function(self, node: Any, context: NodeContext) -> None:
        arguments = node.args
        annotation = context._replace(annotation=True)
        self.add_all([*arguments.defaults, *arguments.kw_defaults, *getattr(node, "decorator_list", ())], context)
        self.add_all(getattr(node, "type_params", ()), annotation)
        scope = self.scope("function", node, context.scope)
        self.nodes.functions[node] = scope
        parameters = [*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg]
        for parameter in filter(None, parameters):
            scope.bind(parameter.arg, Untracked())
            self.add(parameter.annotation, annotation)
        inside = NodeContext(scope, with_skip_conditions(node, context).condition)
        if isinstance(node, ast.Lambda):
            self.add(node.body, inside)
            return
        context.scope.bind(node.name, Defined(node, scope))
        self.add(node.returns, annotation)
        self.block(node.body, inside)

    def class_(self, node: ast.ClassDef, context: NodeContext) -> None:
        self.add_all([*node.bases, *node.keywords, *node.decorator_list], context)
        self.add_all(getattr(node, "type_params", ()), context._replace(annotation=True))
        scope = self.scope("class", node, context.scope)
        context.scope.bind(node.name, Defined(node, scope))
        self.nodes.classes.append((node, scope))
        self.block(node.body, context._replace(scope=scope))

    def comprehension(self, node: Any, context: NodeContext) -> None:
        first, *others = node.generators
        self.add(first.iter, context)
        inside = context._replace(scope=self.scope("comprehension", node, context.scope))
        self.add_all([first.target, *first.ifs, *others], inside)
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self.add_all(results, inside)

    # Conditions

    def if_(self, node: ast.If | ast.While, context: NodeContext) -> None:
        self.add(node.test, context)
        self.block(node.body, context.if_true(node.test))
        self.block(node.orelse, context.if_false(node.test))

    def if_expression(self, node: ast.IfExp, context: NodeContext) -> None:
        self.add(node.test, context)
        self.add(node.body, context.if_true(node.test))
        self.add(node.orelse, context.if_false(node.test))

    def and_or(self, node: ast.BoolOp, context: NodeContext) -> None:
        for value in node.values:
            self.add(value, context)
            context = context.if_true(value) if isinstance(node.op, ast.And) else context.if_false(value)

    def match(self, node: ast.Match, context: NodeContext) -> None:
        self.add(node.subject, context)
        for case in node.cases:
            self.add(case, context.if_true(pattern_as_comparison(node.subject, case.pattern)))

    # Exceptions

    def try_(self, node: ast.Try, context: NodeContext) -> None:
        statement = TryOrWith(node, context.scope)
        self.block(node.body, context._replace(protected_by=(*context.protected_by, statement)))
        for handler in node.handlers:
            self.add(handler.type, context)
            if handler.name:
                context.scope.bind(handler.name, Untracked())
            self.block(handler.body, context._replace(handler_of=statement))
        self.block(node.orelse, context.if_true(node))
        self.block(node.finalbody, context)

    def with_(self, node: ast.With, context: NodeContext) -> None:
        self.add_all(node.items, context)
        self.block(node.body, context._replace(protected_by=(*context.protected_by, TryOrWith(node, context.scope))))

    # Bindings

    def assign(self, node: ast.Assign, context: NodeContext) -> None:
        self.add(node.value, context)
        for target in node.targets:
            self.assigned(target, node.value, context)

    def annotated(self, node: ast.AnnAssign, context: NodeContext) -> None:
        if context.scope.kind != "function":  # functions never evaluate annotations of their variables
            self.add(node.annotation, context._replace(annotation=True))
        self.add(node.value, context)
        if node.value is not None:
            self.assigned(node.target, node.value, context)

    def walrus(self, node: ast.NamedExpr, context: NodeContext) -> None:
        self.add(node.value, context)
        bound_in = next(scope for scope in context.scope.self_and_enclosing() if scope.kind != "comprehension")
        bound_in.bind(node.target.id, Assigned(node.value, context))

    def assigned(self, target: ast.expr, value: ast.expr, context: NodeContext) -> None:
        if isinstance(target, ast.Name):
            context.scope.bind(target.id, Assigned(value, context))
            return
        if isinstance(target, ast.Attribute):
            _record_instance_attribute(target, Assigned(value, context), context.scope)
            self.add(target.value, context)
            return
        pairs = _pair_up(target, value)
        for each, its_value in pairs:
            self.assigned(each, its_value, context)
        if not pairs:
            self.add(target, context)

    def import_(self, node: ast.Import, context: NodeContext) -> None:
        for alias in node.names:
            top = alias.name.partition(".")[0]
            context.scope.bind(alias.asname or top, Imported(alias.name if alias.asname else top))

    def import_from(self, node: ast.ImportFrom, context: NodeContext) -> None:
        self.nodes.imports.append((node, context))
        package = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name != "*":
                context.scope.bind(alias.asname or alias.name, Imported(f"{package}.{alias.name}"))
            else:
                context.scope.star_imports.add(package)

    def name(self, node: ast.Name, context: NodeContext) -> None:
        if isinstance(node.ctx, ast.Store):
            context.scope.bind(node.id, Untracked())
        elif isinstance(node.ctx, ast.Del):  # like an assignment of None: the earlier bindings still count
            context.scope.bind(node.id, Assigned(ast.copy_location(ast.Constant(None), node), context))
        elif node.id in REMOVED_NAMES:
            self.nodes.names.append((node, context))

    def capture(self, node: Any, context: NodeContext) -> None:
        captured = getattr(node, "name", None) or getattr(node, "rest", None)
        if captured:
            context.scope.bind(captured, Untracked())
        self.children(node, context)

    def global_(self, node: ast.Global, context: NodeContext) -> None:
        context.scope.global_names.update(node.names)

    def nonlocal_(self, node: ast.Nonlocal, context: NodeContext) -> None:
        context.scope.nonlocal_names.update(node.names)

    # Nodes that findings can point at

    def attribute(self, node: ast.Attribute, context: NodeContext) -> None:
        if isinstance(node.ctx, ast.Store):
            _record_instance_attribute(node, Untracked(), context.scope)
        elif node.attr in REMOVED_NAMES:
            self.nodes.attributes.append((node, context))
        self.pending.append((node.value, context))

    def call(self, node: ast.Call, context: NodeContext) -> None:
        self.nodes.calls.append((node, context))
        self.children(node, context)


def _record_instance_attribute(target: ast.Attribute, binding: Binding, scope: Scope) -> None:
    """Record ``self.name = value`` in a method, or in a function defined in a method."""
    for each in scope.self_and_enclosing():
        if each.enclosing_class and isinstance(target.value, ast.Name) and target.value.id == each.self_name:
            each.enclosing_class.instance_attributes.setdefault(target.attr, []).append(binding)
            return


def _pair_up(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """Pair each target of ``a, b = c, d`` with its value."""
    if not isinstance(target, (ast.Tuple, ast.List)) or not isinstance(value, (ast.Tuple, ast.List)):
        return []
    if len(target.elts) != len(value.elts) or any(isinstance(each, ast.Starred) for each in target.elts + value.elts):
        return []
    return list(zip(target.elts, value.elts, strict=True))


# ast.TryStar (except*) exists since 3.11.
_VISITORS: dict[type, Callable[[_Collector, Any, NodeContext], None]] = {
    getattr(ast, name): visitor
    for names, visitor in (
        ("FunctionDef AsyncFunctionDef Lambda", _Collector.function),
        ("ClassDef", _Collector.class_),
        ("ListComp SetComp DictComp GeneratorExp", _Collector.comprehension),
        ("If While", _Collector.if_),
        ("IfExp", _Collector.if_expression),
        ("BoolOp", _Collector.and_or),
        ("Match", _Collector.match),
        ("Try TryStar", _Collector.try_),
        ("With", _Collector.with_),
        ("Assign", _Collector.assign),
        ("AnnAssign", _Collector.annotated),
        ("NamedExpr", _Collector.walrus),
        ("Import", _Collector.import_),
        ("ImportFrom", _Collector.import_from),
        ("Name", _Collector.name),
        ("MatchAs MatchStar MatchMapping", _Collector.capture),
        ("Global", _Collector.global_),
        ("Nonlocal", _Collector.nonlocal_),
        ("Attribute", _Collector.attribute),
        ("Call", _Collector.call),
    )
    for name in names.split()
    if hasattr(ast, name)
}
