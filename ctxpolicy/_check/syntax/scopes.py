"""Scopes, the bindings of names, and the context of a node."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Literal, NamedTuple, final

if TYPE_CHECKING:
    from collections.abc import Iterator

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

Kind = Literal["module", "class", "function", "comprehension"]


@final
class Imported(NamedTuple):
    """A binding by an import."""

    path: str


@final
class Assigned(NamedTuple):
    """A binding by an assignment."""

    value: ast.expr
    context: NodeContext


@final
class Defined(NamedTuple):
    """A binding by ``def`` or ``class``, with the scope of the body."""

    node: ast.AST
    scope: Scope


@final
class Untracked(NamedTuple):
    """A binding that is not followed, such as a parameter or a loop variable."""


Binding = Imported | Assigned | Defined | Untracked


@final
class Scope:
    """A module, class, function or comprehension, and the names bound in it."""

    __slots__ = (
        "bindings",
        "global_names",
        "instance_attributes",
        "kind",
        "node",
        "nonlocal_names",
        "parent",
        "star_imports",
    )

    def __init__(self, kind: Kind, node: ast.AST, parent: Scope | None = None) -> None:
        self.kind: Kind = kind
        self.node = node
        self.parent = parent
        self.bindings: dict[str, list[Binding]] = {}
        self.instance_attributes: dict[str, list[Binding]] = {}
        """The attributes that the methods of a class set on their instance."""
        self.global_names: set[str] = set()
        self.nonlocal_names: set[str] = set()
        self.star_imports: set[str] = set()
        """The modules whose names a star import brings in."""

    def bind(self, name: str, binding: Binding) -> None:
        """Record one binding of a name."""
        self.bindings.setdefault(name, []).append(binding)

    def self_and_enclosing(self) -> Iterator[Scope]:
        """Return this scope, then each enclosing scope up to the module."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    @property
    def module(self) -> Scope:
        """The module that contains this scope."""
        *_, module = self.self_and_enclosing()
        return module

    @property
    def function_or_module(self) -> Scope:
        """The innermost function or module whose execution runs the code of this scope."""
        return next(scope for scope in self.self_and_enclosing() if scope.kind in ("module", "function"))

    @property
    def enclosing_class(self) -> Scope | None:
        """The class that this function is a method of."""
        parent = self.parent if self.kind == "function" else None
        return parent if parent is not None and parent.kind == "class" else None

    @property
    def self_name(self) -> str | None:
        """The name of a method's first parameter, which holds the instance or the class."""
        node = self.node
        if self.enclosing_class is None or not isinstance(node, FunctionNode):
            return None
        parameters = [*node.args.posonlyargs, *node.args.args]
        static = any(getattr(each, "id", "") == "staticmethod" for each in getattr(node, "decorator_list", ()))
        return parameters[0].arg if parameters and not static else None

    def class_of(self, name: str) -> Scope | None:
        """Return the class that a name read here refers to, directly (``Class``) or through an instance (``self``)."""
        bound_in = self.binding_scope(name)
        bindings = bound_in.bindings[name] if bound_in else []
        if bound_in is None or len(bindings) != 1:
            return None
        binding = bindings[0]
        if isinstance(binding, Defined):
            return binding.scope if binding.scope.kind == "class" else None
        return bound_in.enclosing_class if bound_in.self_name == name else None

    @property
    def in_coroutine(self) -> bool:
        """Whether a loop runs here: in a coroutine function, and in a function defined in one."""
        return any(_is_coroutine_function(scope.node) for scope in self.self_and_enclosing())

    def binding_scope(self, name: str) -> Scope | None:
        """Return the scope that binds a name read here, according to Python's scoping rules."""
        for scope in self.self_and_enclosing():
            if name in scope.global_names:
                return scope.module if name in scope.module.bindings else None
            if name in scope.bindings and (scope is self or scope.kind != "class"):
                return scope
        return None

    def apply_declarations(self) -> None:
        """Move the bindings of names declared global or nonlocal to the scopes that these names belong to."""
        for name in self.global_names | self.nonlocal_names:
            bindings = self.bindings.pop(name, [])
            bound_in = self.module if name in self.global_names else self.binding_scope(name)
            for binding in bindings:
                if bound_in is not None:
                    bound_in.bind(name, binding)


def _is_coroutine_function(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef):  # @types.coroutine, @asyncio.coroutine, @gen.coroutine
        return any(getattr(each, "attr", getattr(each, "id", "")) == "coroutine" for each in node.decorator_list)
    return isinstance(node, ast.AsyncFunctionDef)


@final
class Condition:
    """A test that was true, or was false, when control reached a node.

    Conditions form a linked list, because a block may have thousands of asserts. A ``try`` statement counts as true if
    its block ran to the end.
    """

    __slots__ = ("expression", "is_true", "previous", "scope")

    def __init__(
        self, expression: ast.expr | ast.Try, scope: Scope, *, is_true: bool, previous: Condition | None
    ) -> None:
        self.expression = expression
        self.scope = scope
        self.is_true = is_true
        self.previous = previous


@final
class TryOrWith(NamedTuple):
    """A ``try`` or ``with`` statement."""

    node: ast.Try | ast.With
    scope: Scope


@final
class NodeContext(NamedTuple):
    """The context of a node: its scope, the conditions that hold, and the statements that may handle its exceptions."""

    scope: Scope
    condition: Condition | None = None
    protected_by: tuple[TryOrWith, ...] = ()
    """The enclosing ``try`` and ``with`` statements of the same function or module that may handle an exception."""
    handler_of: TryOrWith | None = None
    """The ``try`` statement if the node is in one of its handlers."""
    annotation: bool = False

    def if_true(self, expression: ast.expr | ast.Try) -> NodeContext:
        """Return this context with the condition that a test is true."""
        return self._replace(condition=Condition(expression, self.scope, is_true=True, previous=self.condition))

    def if_false(self, expression: ast.expr) -> NodeContext:
        """Return this context with the condition that a test is false."""
        return self._replace(condition=Condition(expression, self.scope, is_true=False, previous=self.condition))


@final
class CollectedNodes:
    """The nodes that findings can point at, each with its context."""

    def __init__(self) -> None:
        self.imports: list[tuple[ast.ImportFrom, NodeContext]] = []
        self.attributes: list[tuple[ast.Attribute, NodeContext]] = []
        self.names: list[tuple[ast.Name, NodeContext]] = []
        self.calls: list[tuple[ast.Call, NodeContext]] = []
        self.classes: list[tuple[ast.ClassDef, Scope]] = []
        """Each class, with the scope of its body."""
        self.functions: dict[ast.AST, Scope] = {}
        """The scope of each function's body."""
