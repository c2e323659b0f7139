"""What an expression means, as far as reading can tell: dotted paths such as ``asyncio.events.get_event_loop``."""

from __future__ import annotations

import ast
from typing import cast, final

from ctxpolicy._check.asyncio_names import IN_ASYNCIO, LOOP_ARGUMENTS, POLICY, asyncio_name
from ctxpolicy._check.syntax.scopes import Assigned, Binding, Defined, FunctionNode, Imported, Scope

Paths = frozenset[str] | None
"""All that something may be; ``None`` where that cannot be told. Empty: nothing but ``None``, the value."""

_NOTHING: frozenset[str] = frozenset()
_TELLING = frozenset((*IN_ASYNCIO, "get_event_loop", "set_event_loop"))
_POLICY_MAKERS = frozenset(name for name in IN_ASYNCIO if name.endswith(("EventLoopPolicy", "get_event_loop_policy")))


@final
class Names:
    """Follows names through imports and assignments to where they came from.

    A name that is bound to several things may be any of them; one binding that cannot be followed makes the whole
    name unknown, so that what shadows asyncio is never taken for it. ``None`` does not count: it is how programs say
    that something could not be imported.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Scope, str], Paths] = {}

    def paths(self, expression: ast.expr, scope: Scope) -> frozenset[str]:
        """Give all dotted paths that an expression may stand for, none where that cannot be told."""
        return self._paths(expression, scope) or _NOTHING

    def path(self, expression: ast.expr, scope: Scope) -> str:
        """Give the one dotted path that an expression surely stands for, else an empty string."""
        paths = self.paths(expression, scope)
        return next(iter(paths)) if len(paths) == 1 else ""

    def functions(self, expression: ast.expr, scope: Scope) -> list[FunctionNode]:
        """Give the functions of this module that an expression may stand for."""
        if isinstance(expression, ast.Lambda):
            return [expression]
        if isinstance(expression, ast.Name):
            home = scope.find(expression.id)
            bindings = home.bindings[expression.id] if home else []
        else:
            bindings = _method(expression, scope)
        nodes = [binding.node for binding in bindings if isinstance(binding, Defined)]
        return [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]

    def _paths(self, expression: ast.expr, scope: Scope) -> Paths:
        trail: list[str] = []
        while isinstance(expression, ast.Attribute):
            trail.append(expression.attr)
            expression = expression.value
        owner = scope.owner(expression.id) if trail and isinstance(expression, ast.Name) else None
        roots = self._member(trail.pop(), owner) if owner else self._root(expression, scope)
        if roots is None or not trail:
            return roots
        return frozenset(".".join((root, *reversed(trail))) for root in roots)

    def _root(self, expression: ast.expr, scope: Scope) -> Paths:
        if isinstance(expression, ast.Name):
            return self._name(expression.id, scope)
        if isinstance(expression, ast.Call):
            return self._call(expression, scope)
        if isinstance(expression, ast.IfExp):
            return _either(self._paths(expression.body, scope), self._paths(expression.orelse, scope))
        if isinstance(expression, ast.BoolOp):
            return _either(*(self._paths(value, scope) for value in expression.values))
        if isinstance(expression, ast.NamedExpr):
            return self._paths(expression.value, scope)
        return _NOTHING if isinstance(expression, ast.Constant) and expression.value is None else None

    def _name(self, name: str, scope: Scope) -> Paths:
        home = scope.find(name)
        if home is None:
            return frozenset((f"{_star(name, scope.module.stars)}.{name}",))
        if (home, name) not in self._known:
            self._known[home, name] = _NOTHING  # what a name that is bound to itself adds
            self._known[home, name] = self._any_of(home.bindings[name])
        return self._known[home, name]

    def _member(self, name: str, owner: Scope) -> Paths:
        """Follow ``self.name`` to the body of the class and to what its methods set."""
        key = (owner, f"self.{name}")
        if key not in self._known:
            self._known[key] = _NOTHING
            bindings = [*owner.bindings.get(name, ()), *owner.members.get(name, ())]
            self._known[key] = self._any_of(bindings) if bindings else None
        return self._known[key]

    def _any_of(self, bindings: list[Binding]) -> Paths:
        return _either(*map(self._bound, bindings))

    def _bound(self, binding: Binding) -> Paths:
        if isinstance(binding, Imported):
            return frozenset((binding.path,))
        return self._paths(binding.value, binding.place.scope) if isinstance(binding, Assigned) else None

    def _call(self, call: ast.Call, scope: Scope) -> Paths:
        if _is_chain(call):
            return None
        function = self.path(call.func, scope)
        if function == "builtins.getattr":
            return self._getattr(call, scope)
        if function in ("importlib.import_module", "builtins.__import__"):
            return _imported(call, top_only=function == "builtins.__import__")
        return frozenset((POLICY,)) if asyncio_name(function) in _POLICY_MAKERS else None

    def _getattr(self, call: ast.Call, scope: Scope) -> Paths:
        name = literal(call, 1)
        owners = self._paths(call.args[0], scope) if name else None
        return frozenset(f"{owner}.{name}" for owner in owners) if owners else None


def _is_chain(call: ast.Call) -> bool:
    """Tell whether this is a call on a call on a call, as of ``query.where().order_by().all()``.

    Such lead nowhere that matters here, and may be too long for recursion.
    """
    for _ in range(3):
        function = call.func
        while isinstance(function, ast.Attribute):
            function = function.value
        if not isinstance(function, ast.Call):
            return False
        call = function
    return True


def _star(name: str, modules: set[str]) -> str:
    """Say where a name that nothing binds comes from."""
    from_asyncio = {module for module in modules if asyncio_name(f"{module}.{name}")}
    if from_asyncio and (name in _TELLING or (name in LOOP_ARGUMENTS and modules == from_asyncio)):
        return "asyncio"
    return "builtins"


def literal(call: ast.Call, position: int) -> str | None:
    """Give the string written as an argument of a call, ``None`` where it is not a plain string."""
    argument = call.args[position] if len(call.args) > position else None
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else None


def _imported(call: ast.Call, *, top_only: bool) -> Paths:
    name = literal(call, 0)
    return None if name is None else frozenset((name.partition(".")[0] if top_only else name,))


def _either(*alternatives: Paths) -> Paths:
    if None in alternatives:
        return None
    return _NOTHING.union(*cast("tuple[frozenset[str], ...]", alternatives))


def _method(expression: ast.expr, scope: Scope) -> list[Binding]:
    """Look up ``self.name`` in the class around, ``Class.name`` in that class."""
    if isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
        owner = scope.owner(expression.value.id)
        return owner.bindings.get(expression.attr, []) if owner else []
    return []
