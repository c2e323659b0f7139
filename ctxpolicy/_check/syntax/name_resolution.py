"""Resolve expressions to dotted paths such as ``asyncio.events.get_event_loop``, as far as static analysis can."""

from __future__ import annotations

import ast
from typing import cast, final

from ctxpolicy._check.asyncio_names import IN_ASYNCIO, POLICY_INSTANCE, REFUSE_LOOP_ARGUMENT, asyncio_name
from ctxpolicy._check.syntax.scopes import Assigned, Binding, Defined, FunctionNode, Imported, Scope

Paths = frozenset[str] | None
"""All dotted paths that an expression may stand for; ``None`` if they are unknown.

An empty set means that the expression can only be the value ``None``.
"""

_NOTHING: frozenset[str] = frozenset()
_UNAMBIGUOUS_NAMES = frozenset((*IN_ASYNCIO, "get_event_loop", "set_event_loop"))
_POLICY_MAKERS = frozenset(name for name in IN_ASYNCIO if name.endswith(("EventLoopPolicy", "get_event_loop_policy")))


@final
class NameResolver:
    """Follows names through imports and assignments to their origin.

    A name with several bindings may stand for any of them. If one binding cannot be followed, the whole name is
    unknown. Therefore a name that shadows asyncio is never mistaken for asyncio. Bindings to ``None`` do not count,
    because programs use ``None`` for a module that could not be imported.
    """

    def __init__(self) -> None:
        self._cache: dict[tuple[Scope, str], Paths] = {}

    def paths(self, expression: ast.expr, scope: Scope) -> frozenset[str]:
        """Return all dotted paths that an expression may stand for; an empty set if they are unknown."""
        return self._paths(expression, scope) or _NOTHING

    def path(self, expression: ast.expr, scope: Scope) -> str:
        """Return the only dotted path that an expression can stand for, or an empty string."""
        paths = self.paths(expression, scope)
        return next(iter(paths)) if len(paths) == 1 else ""

    def functions(self, expression: ast.expr, scope: Scope) -> list[FunctionNode]:
        """Return the functions of this module that an expression may stand for."""
        if isinstance(expression, ast.Lambda):
            return [expression]
        if isinstance(expression, ast.Name):
            bound_in = scope.binding_scope(expression.id)
            bindings = bound_in.bindings[expression.id] if bound_in else []
        else:
            bindings = _method_bindings(expression, scope)
        nodes = [binding.node for binding in bindings if isinstance(binding, Defined)]
        return [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]

    def _paths(self, expression: ast.expr, scope: Scope) -> Paths:
        trail: list[str] = []
        while isinstance(expression, ast.Attribute):
            trail.append(expression.attr)
            expression = expression.value
        owner = scope.class_of(expression.id) if trail and isinstance(expression, ast.Name) else None
        roots = self._paths_of_attribute(trail.pop(), owner) if owner else self._paths_of_root(expression, scope)
        if roots is None or not trail:
            return roots
        return frozenset(".".join((root, *reversed(trail))) for root in roots)

    def _paths_of_root(self, expression: ast.expr, scope: Scope) -> Paths:
        if isinstance(expression, ast.Name):
            return self._paths_of_name(expression.id, scope)
        if isinstance(expression, ast.Call):
            return self._paths_of_call(expression, scope)
        if isinstance(expression, ast.IfExp):
            return _union(self._paths(expression.body, scope), self._paths(expression.orelse, scope))
        if isinstance(expression, ast.BoolOp):
            return _union(*(self._paths(value, scope) for value in expression.values))
        if isinstance(expression, ast.NamedExpr):
            return self._paths(expression.value, scope)
        return _NOTHING if isinstance(expression, ast.Constant) and expression.value is None else None

    def _paths_of_name(self, name: str, scope: Scope) -> Paths:
        bound_in = scope.binding_scope(name)
        if bound_in is None:
            return frozenset((f"{_module_of_unbound(name, scope.module.star_imports)}.{name}",))
        if (bound_in, name) not in self._cache:
            self._cache[bound_in, name] = _NOTHING  # ends the recursion if the name is bound to itself
            self._cache[bound_in, name] = self._paths_of_bindings(bound_in.bindings[name])
        return self._cache[bound_in, name]

    def _paths_of_attribute(self, name: str, owner: Scope) -> Paths:
        """Resolve ``self.name`` by the body of the class and by the assignments in its methods."""
        key = (owner, f"self.{name}")
        if key not in self._cache:
            self._cache[key] = _NOTHING  # ends the recursion if the attribute is bound to itself
            bindings = [*owner.bindings.get(name, ()), *owner.instance_attributes.get(name, ())]
            self._cache[key] = self._paths_of_bindings(bindings) if bindings else None
        return self._cache[key]

    def _paths_of_bindings(self, bindings: list[Binding]) -> Paths:
        return _union(*map(self._paths_of_binding, bindings))

    def _paths_of_binding(self, binding: Binding) -> Paths:
        if isinstance(binding, Imported):
            return frozenset((binding.path,))
        return self._paths(binding.value, binding.context.scope) if isinstance(binding, Assigned) else None

    def _paths_of_call(self, call: ast.Call, scope: Scope) -> Paths:
        if _is_call_chain(call):
            return None
        function = self.path(call.func, scope)
        if function == "builtins.getattr":
            return self._paths_of_getattr(call, scope)
        if function in ("importlib.import_module", "builtins.__import__"):
            return _imported_module(call, top_only=function == "builtins.__import__")
        return frozenset((POLICY_INSTANCE,)) if asyncio_name(function) in _POLICY_MAKERS else None

    def _paths_of_getattr(self, call: ast.Call, scope: Scope) -> Paths:
        name = string_argument(call, 1)
        owners = self._paths(call.args[0], scope) if name else None
        return frozenset(f"{owner}.{name}" for owner in owners) if owners else None


def _is_call_chain(call: ast.Call) -> bool:
    """Return whether at least four calls are chained, as in ``query.where().order_by().limit().all()``.

    Such a chain never resolves to a part of asyncio, and it may be too long for recursion.
    """
    for _ in range(3):
        function = call.func
        while isinstance(function, ast.Attribute):
            function = function.value
        if not isinstance(function, ast.Call):
            return False
        call = function
    return True


def _module_of_unbound(name: str, modules: set[str]) -> str:
    """Return the module that provides a name that this module does not bind."""
    from_asyncio = {module for module in modules if asyncio_name(f"{module}.{name}")}
    if from_asyncio and (name in _UNAMBIGUOUS_NAMES or (name in REFUSE_LOOP_ARGUMENT and modules == from_asyncio)):
        return "asyncio"
    return "builtins"


def string_argument(call: ast.Call, position: int) -> str | None:
    """Return the positional argument of a call if it is a string literal, else ``None``."""
    argument = call.args[position] if len(call.args) > position else None
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else None


def _imported_module(call: ast.Call, *, top_only: bool) -> Paths:
    name = string_argument(call, 0)
    return None if name is None else frozenset((name.partition(".")[0] if top_only else name,))


def _union(*alternatives: Paths) -> Paths:
    if None in alternatives:
        return None
    return _NOTHING.union(*cast("tuple[frozenset[str], ...]", alternatives))


def _method_bindings(expression: ast.expr, scope: Scope) -> list[Binding]:
    """Return the bindings of ``self.name`` in the enclosing class, or of ``Class.name`` in that class."""
    if isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
        owner = scope.class_of(expression.value.id)
        return owner.bindings.get(expression.attr, []) if owner else []
    return []
