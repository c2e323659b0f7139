"""One pass over a syntax tree that records scopes, bindings and the nodes worth a look.

Nothing is resolved here: what a name means is known only when all of its bindings are. The pass keeps a stack of its
own, so that deeply nested code does not exhaust Python's.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, final

from ctxpolicy._check.asyncio_names import REMOVED_NAMES
from ctxpolicy._check.syntax.reachability import after, as_comparison, unless_skipped
from ctxpolicy._check.syntax.scopes import Assigned, Binding, Catcher, Defined, Imported, Opaque, Place, Scope, Sites

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BLOCKS = frozenset(("body", "orelse", "finalbody"))
_NOTHING_INSIDE = (ast.Constant, ast.expr_context, ast.operator, ast.cmpop, ast.unaryop)


def walk(tree: ast.Module) -> Sites:
    """Record the sites of a module."""
    walker = _Walker()
    walker.run(tree)
    return walker.sites


@final
class _Walker:
    def __init__(self) -> None:
        self.sites = Sites()
        self.scopes: list[Scope] = []
        self.todo: list[tuple[ast.AST, Place]] = []

    def run(self, tree: ast.Module) -> None:
        self.block(tree.body, Place(self.scope("module", tree)))
        while self.todo:
            node, place = self.todo.pop()
            _HANDLERS.get(type(node), _Walker.children)(self, node, place)
        for scope in self.scopes:
            scope.settle()

    def scope(self, *args: Any) -> Scope:
        scope = Scope(*args)
        self.scopes.append(scope)
        return scope

    def later(self, node: ast.AST | None, place: Place) -> None:
        if node is not None:
            self.todo.append((node, place))

    def all_later(self, nodes: Sequence[ast.AST | None], place: Place) -> None:
        for node in nodes:
            self.later(node, place)

    def block(self, statements: Sequence[ast.stmt], place: Place) -> None:
        for position, statement in enumerate(statements, 1):
            self.todo.append((statement, place))
            if position < len(statements):
                place = after(statement, place)

    def children(self, node: ast.AST, place: Place) -> None:
        for name in node._fields:
            value: Any = getattr(node, name, None)
            if name in _BLOCKS:
                self.block(value, place)
            elif isinstance(value, list):
                self.all_later([each for each in value if isinstance(each, ast.AST)], place)  # some are names
            elif isinstance(value, ast.AST) and not isinstance(value, _NOTHING_INSIDE):
                self.todo.append((value, place))

    # Scopes

    def function(self, node: Any, place: Place) -> None:
        arguments = node.args
        annotation = place._replace(annotation=True)
        self.all_later([*arguments.defaults, *arguments.kw_defaults, *getattr(node, "decorator_list", ())], place)
        self.all_later(getattr(node, "type_params", ()), annotation)
        scope = self.scope("function", node, place.scope)
        self.sites.functions[node] = scope
        parameters = [*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg]
        for parameter in filter(None, parameters):
            scope.bind(parameter.arg, Opaque())
            self.later(parameter.annotation, annotation)
        inside = Place(scope, unless_skipped(node, place).condition)
        if isinstance(node, ast.Lambda):
            self.later(node.body, inside)
            return
        place.scope.bind(node.name, Defined(node, scope))
        self.later(node.returns, annotation)
        self.block(node.body, inside)

    def class_(self, node: ast.ClassDef, place: Place) -> None:
        self.all_later([*node.bases, *node.keywords, *node.decorator_list], place)
        self.all_later(getattr(node, "type_params", ()), place._replace(annotation=True))
        scope = self.scope("class", node, place.scope)
        place.scope.bind(node.name, Defined(node, scope))
        self.sites.classes.append((node, scope))
        self.block(node.body, place._replace(scope=scope))

    def comprehension(self, node: Any, place: Place) -> None:
        first, *others = node.generators
        self.later(first.iter, place)
        inside = place._replace(scope=self.scope("comprehension", node, place.scope))
        self.all_later([first.target, *first.ifs, *others], inside)
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self.all_later(results, inside)

    # Conditions

    def if_(self, node: ast.If | ast.While, place: Place) -> None:
        self.later(node.test, place)
        self.block(node.body, place.given(node.test))
        self.block(node.orelse, place.unless(node.test))

    def if_expression(self, node: ast.IfExp, place: Place) -> None:
        self.later(node.test, place)
        self.later(node.body, place.given(node.test))
        self.later(node.orelse, place.unless(node.test))

    def and_or(self, node: ast.BoolOp, place: Place) -> None:
        for value in node.values:
            self.later(value, place)
            place = place.given(value) if isinstance(node.op, ast.And) else place.unless(value)

    def match(self, node: ast.Match, place: Place) -> None:
        self.later(node.subject, place)
        for case in node.cases:
            self.later(case, place.given(as_comparison(node.subject, case.pattern)))

    # Exceptions

    def try_(self, node: ast.Try, place: Place) -> None:
        catcher = Catcher(node, place.scope)
        self.block(node.body, place._replace(catchers=(*place.catchers, catcher)))
        for handler in node.handlers:
            self.later(handler.type, place)
            if handler.name:
                place.scope.bind(handler.name, Opaque())
            self.block(handler.body, place._replace(recovering=catcher))
        self.block(node.orelse, place.given(node))
        self.block(node.finalbody, place)

    def with_(self, node: ast.With, place: Place) -> None:
        self.all_later(node.items, place)
        self.block(node.body, place._replace(catchers=(*place.catchers, Catcher(node, place.scope))))

    # Bindings

    def assign(self, node: ast.Assign, place: Place) -> None:
        self.later(node.value, place)
        for target in node.targets:
            self.assigned(target, node.value, place)

    def annotated(self, node: ast.AnnAssign, place: Place) -> None:
        if place.scope.kind != "function":  # in functions they are never evaluated
            self.later(node.annotation, place._replace(annotation=True))
        self.later(node.value, place)
        if node.value is not None:
            self.assigned(node.target, node.value, place)

    def walrus(self, node: ast.NamedExpr, place: Place) -> None:
        self.later(node.value, place)
        home = next(scope for scope in place.scope.outwards() if scope.kind != "comprehension")
        home.bind(node.target.id, Assigned(node.value, place))

    def assigned(self, target: ast.expr, value: ast.expr, place: Place) -> None:
        if isinstance(target, ast.Name):
            place.scope.bind(target.id, Assigned(value, place))
            return
        if isinstance(target, ast.Attribute):
            _set_member(target, Assigned(value, place), place.scope)
            self.later(target.value, place)
            return
        pairs = _pairs(target, value)
        for each, its_value in pairs:
            self.assigned(each, its_value, place)
        if not pairs:
            self.later(target, place)

    def import_(self, node: ast.Import, place: Place) -> None:
        for alias in node.names:
            top = alias.name.partition(".")[0]
            place.scope.bind(alias.asname or top, Imported(alias.name if alias.asname else top))

    def import_from(self, node: ast.ImportFrom, place: Place) -> None:
        self.sites.imports.append((node, place))
        package = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name != "*":
                place.scope.bind(alias.asname or alias.name, Imported(f"{package}.{alias.name}"))
            else:
                place.scope.stars.add(package)

    def name(self, node: ast.Name, place: Place) -> None:
        if isinstance(node.ctx, ast.Store):
            place.scope.bind(node.id, Opaque())
        elif isinstance(node.ctx, ast.Del):  # what was bound before is no less what it was
            place.scope.bind(node.id, Assigned(ast.copy_location(ast.Constant(None), node), place))
        elif node.id in REMOVED_NAMES:
            self.sites.names.append((node, place))

    def capture(self, node: Any, place: Place) -> None:
        captured = getattr(node, "name", None) or getattr(node, "rest", None)
        if captured:
            place.scope.bind(captured, Opaque())
        self.children(node, place)

    def global_(self, node: ast.Global, place: Place) -> None:
        place.scope.global_names.update(node.names)

    def nonlocal_(self, node: ast.Nonlocal, place: Place) -> None:
        place.scope.nonlocal_names.update(node.names)

    # Sites

    def attribute(self, node: ast.Attribute, place: Place) -> None:
        if isinstance(node.ctx, ast.Store):
            _set_member(node, Opaque(), place.scope)
        elif node.attr in REMOVED_NAMES:
            self.sites.attributes.append((node, place))
        self.todo.append((node.value, place))

    def call(self, node: ast.Call, place: Place) -> None:
        self.sites.calls.append((node, place))
        self.children(node, place)


def _set_member(target: ast.Attribute, binding: Binding, scope: Scope) -> None:
    """Record ``self.name = value``, of a method and of the functions in it."""
    for each in scope.outwards():
        if each.enclosing_class and isinstance(target.value, ast.Name) and target.value.id == each.itself:
            each.enclosing_class.members.setdefault(target.attr, []).append(binding)
            return


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """Pair what ``a, b = c, d`` assigns to what."""
    if not isinstance(target, (ast.Tuple, ast.List)) or not isinstance(value, (ast.Tuple, ast.List)):
        return []
    if len(target.elts) != len(value.elts) or any(isinstance(each, ast.Starred) for each in target.elts + value.elts):
        return []
    return list(zip(target.elts, value.elts, strict=True))


# except* came with 3.11.
_HANDLERS: dict[type, Callable[[_Walker, Any, Place], None]] = {
    getattr(ast, name): handler
    for names, handler in (
        ("FunctionDef AsyncFunctionDef Lambda", _Walker.function),
        ("ClassDef", _Walker.class_),
        ("ListComp SetComp DictComp GeneratorExp", _Walker.comprehension),
        ("If While", _Walker.if_),
        ("IfExp", _Walker.if_expression),
        ("BoolOp", _Walker.and_or),
        ("Match", _Walker.match),
        ("Try TryStar", _Walker.try_),
        ("With", _Walker.with_),
        ("Assign", _Walker.assign),
        ("AnnAssign", _Walker.annotated),
        ("NamedExpr", _Walker.walrus),
        ("Import", _Walker.import_),
        ("ImportFrom", _Walker.import_from),
        ("Name", _Walker.name),
        ("MatchAs MatchStar MatchMapping", _Walker.capture),
        ("Global", _Walker.global_),
        ("Nonlocal", _Walker.nonlocal_),
        ("Attribute", _Walker.attribute),
        ("Call", _Walker.call),
    )
    for name in names.split()
    if hasattr(ast, name)
}
