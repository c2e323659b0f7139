"""The functions of a module that run in threads and executors."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple, final

from ctxpolicy._check.asyncio_names import asyncio_name
from ctxpolicy._check.syntax.scopes import Defined, Scope

if TYPE_CHECKING:
    from ctxpolicy._check.checked_module import CheckedModule


@final
class Worker(NamedTuple):
    """A thread or an executor that runs a function.

    Attributes:
        name: The name of the worker in messages.
        is_thread: Whether the worker is certainly a thread of this process. An executor may be a pool of processes.
        reused: Whether the worker runs other functions afterwards.
    """

    name: str
    is_thread: bool
    reused: bool


@final
class _Submission(NamedTuple):
    """Which argument of a call is the function that a worker runs."""

    worker: Worker
    position: int
    keyword: str = ""


_THREAD = Worker("a thread", is_thread=True, reused=False)
_POOL_THREAD = Worker("a pool's thread", is_thread=True, reused=True)
_EXECUTOR = Worker("an executor", is_thread=False, reused=True)

_BY_PATH = {
    "threading.Thread": _Submission(_THREAD, 1, "target"),
    "threading.Timer": _Submission(_THREAD, 1, "function"),
    "_thread.start_new_thread": _Submission(_THREAD, 0),
    "anyio.to_thread.run_sync": _Submission(_POOL_THREAD, 0, "func"),
    "trio.to_thread.run_sync": _Submission(_POOL_THREAD, 0, "sync_fn"),
}
_BY_METHOD = {
    "run_in_executor": _Submission(_EXECUTOR, 1, "func"),
    "submit": _Submission(_EXECUTOR, 0, "fn"),
    "map": _Submission(_EXECUTOR, 0, "fn"),
}


def worker_functions(module: CheckedModule) -> dict[Scope, Worker]:
    """Return the scopes of the functions that workers run, each with its worker."""
    found: dict[Scope, Worker] = {}
    for call, context in module.nodes.calls:
        submission = _submission(module, call, context.scope)
        function = _argument(call, submission) if submission else None
        if submission and function is not None:
            for scope in _scopes(module, _unwrap(module, call, function, context.scope), context.scope):
                found.setdefault(scope, submission.worker)
    for class_, scope in module.nodes.classes:
        if any(module.names.path(base, scope) == "threading.Thread" for base in class_.bases):
            methods = [binding.node for binding in scope.bindings.get("run", []) if isinstance(binding, Defined)]
            found.update((module.nodes.functions[node], _THREAD) for node in methods if _is_sync(node))
    return found


def _submission(module: CheckedModule, call: ast.Call, scope: Scope) -> _Submission | None:
    path = module.names.path(call.func, scope)
    if asyncio_name(path) == "to_thread":
        return _Submission(_POOL_THREAD, 0)
    submission = _BY_PATH.get(path)
    if submission is None and isinstance(call.func, ast.Attribute):
        submission = _BY_METHOD.get(call.func.attr)
        if call.func.attr == "run_in_executor" and _is_none(call.args[:1]):
            return submission and submission._replace(worker=_POOL_THREAD)
    return submission


def _is_none(arguments: list[ast.expr]) -> bool:
    return any(isinstance(argument, ast.Constant) and argument.value is None for argument in arguments)


def _argument(call: ast.Call, submission: _Submission) -> ast.expr | None:
    if len(call.args) > submission.position:
        return call.args[submission.position]
    return next((keyword.value for keyword in call.keywords if keyword.arg == submission.keyword), None)


def _unwrap(module: CheckedModule, call: ast.Call, function: ast.expr, scope: Scope) -> ast.expr:
    """Return the function inside ``functools.partial(function, ...)``, or after ``context.run`` in the arguments."""
    if isinstance(function, ast.Call) and module.names.path(function.func, scope) == "functools.partial":
        return function.args[0] if function.args else function
    if isinstance(function, ast.Attribute) and function.attr == "run" and not module.names.functions(function, scope):
        following = call.args[call.args.index(function) + 1 :] if function in call.args else []
        return following[0] if following else function
    return function


def _scopes(module: CheckedModule, function: ast.expr, scope: Scope) -> list[Scope]:
    return [module.nodes.functions[node] for node in module.names.functions(function, scope) if _is_sync(node)]


def _is_sync(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.Lambda))
