"""Scopes, what their names are bound to, and the place that a node stands in."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Literal, NamedTuple, final

if TYPE_CHECKING:
    from collections.abc import Iterator

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

Kind = Literal["module", "class", "function", "comprehension"]


@final
class Imported(NamedTuple):
    """A name bound by an import."""

    path: str


@final
class Assigned(NamedTuple):
    """A name bound to an expression."""

    value: ast.expr
    place: Place


@final
class Defined(NamedTuple):
    """A name bound by ``def`` or ``class``: with the scope of the body."""

    node: ast.AST
    scope: Scope


@final
class Opaque(NamedTuple):
    """A name bound in a way that is not followed: a parameter, a loop variable, ..."""


Binding = Imported | Assigned | Defined | Opaque


@final
class Scope:
    """A module, class, function or comprehension, and the names bound in it."""

    __slots__ = ("bindings", "global_names", "kind", "members", "node", "nonlocal_names", "parent", "stars")

    def __init__(self, kind: Kind, node: ast.AST, parent: Scope | None = None) -> None:
        self.kind: Kind = kind
        self.node = node
        self.parent = parent
        self.bindings: dict[str, list[Binding]] = {}
        self.members: dict[str, list[Binding]] = {}
        """What the methods of a class set on their object."""
        self.global_names: set[str] = set()
        self.nonlocal_names: set[str] = set()
        self.stars: set[str] = set()
        """The modules whose names come in by a star import."""

    def bind(self, name: str, binding: Binding) -> None:
        """Record one binding of a name."""
        self.bindings.setdefault(name, []).append(binding)

    def outwards(self) -> Iterator[Scope]:
        """Walk from this scope to the module."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    @property
    def module(self) -> Scope:
        """The scope that all others are in."""
        *_, module = self.outwards()
        return module

    @property
    def unit(self) -> Scope:
        """The module or function whose run executes this scope's code."""
        return next(scope for scope in self.outwards() if scope.kind in ("module", "function"))

    @property
    def enclosing_class(self) -> Scope | None:
        """The class that this function is a method of."""
        parent = self.parent if self.kind == "function" else None
        return parent if parent is not None and parent.kind == "class" else None

    @property
    def itself(self) -> str | None:
        """What a method calls its object or its class: its first parameter."""
        node = self.node
        if self.enclosing_class is None or not isinstance(node, FunctionNode):
            return None
        parameters = [*node.args.posonlyargs, *node.args.args]
        static = any(getattr(each, "id", "") == "staticmethod" for each in getattr(node, "decorator_list", ()))
        return parameters[0].arg if parameters and not static else None

    def owner(self, name: str) -> Scope | None:
        """Find the class that a name read here stands for, or whose object it is: ``Class``, ``self``."""
        home = self.find(name)
        bindings = home.bindings[name] if home else []
        if home is None or len(bindings) != 1:
            return None
        binding = bindings[0]
        if isinstance(binding, Defined):
            return binding.scope if binding.scope.kind == "class" else None
        return home.enclosing_class if home.itself == name else None

    @property
    def in_coroutine(self) -> bool:
        """Whether this is code of a coroutine function, or of a function made in one: a loop runs there."""
        return any(_is_coroutine_function(scope.node) for scope in self.outwards())

    def find(self, name: str) -> Scope | None:
        """Find the scope that a name read here is bound in, by Python's rules."""
        for scope in self.outwards():
            if name in scope.global_names:
                return scope.module if name in scope.module.bindings else None
            if name in scope.bindings and (scope is self or scope.kind != "class"):
                return scope
        return None

    def settle(self) -> None:
        """Move bindings of names declared global or nonlocal to where they belong."""
        for name in self.global_names | self.nonlocal_names:
            bindings = self.bindings.pop(name, [])
            home = self.module if name in self.global_names else self.find(name)
            for binding in bindings:
                if home is not None:
                    home.bind(name, binding)


def _is_coroutine_function(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef):  # @types.coroutine, @asyncio.coroutine, @gen.coroutine
        return any(getattr(each, "attr", getattr(each, "id", "")) == "coroutine" for each in node.decorator_list)
    return isinstance(node, ast.AsyncFunctionDef)


@final
class Condition:
    """What held, or did not, where control got this far; linked, as a block may have thousands of asserts.

    A ``try`` holds where its block came to the end.
    """

    __slots__ = ("before", "expression", "held", "scope")

    def __init__(self, expression: ast.expr | ast.Try, scope: Scope, *, held: bool, before: Condition | None) -> None:
        self.expression = expression
        self.scope = scope
        self.held = held
        self.before = before


@final
class Catcher(NamedTuple):
    """A ``try`` or ``with`` statement."""

    node: ast.Try | ast.With
    scope: Scope


@final
class Place(NamedTuple):
    """Where a node stands: in which scope, under which conditions, and who catches what it raises."""

    scope: Scope
    condition: Condition | None = None
    catchers: tuple[Catcher, ...] = ()
    """The statements around it that may catch, within the same run of code."""
    recovering: Catcher | None = None
    """The statement whose handler this is in."""
    annotation: bool = False

    def given(self, expression: ast.expr | ast.Try) -> Place:
        """Give the same place, reached only where a test holds."""
        return self._replace(condition=Condition(expression, self.scope, held=True, before=self.condition))

    def unless(self, expression: ast.expr) -> Place:
        """Give the same place, reached only where a test does not hold."""
        return self._replace(condition=Condition(expression, self.scope, held=False, before=self.condition))


@final
class Sites:
    """The nodes that findings can come from, each with its place."""

    def __init__(self) -> None:
        self.imports: list[tuple[ast.ImportFrom, Place]] = []
        self.attributes: list[tuple[ast.Attribute, Place]] = []
        self.names: list[tuple[ast.Name, Place]] = []
        self.calls: list[tuple[ast.Call, Place]] = []
        self.classes: list[tuple[ast.ClassDef, Scope]] = []
        """With the class's own scope."""
        self.functions: dict[ast.AST, Scope] = {}
        """The scope of each function's body."""
