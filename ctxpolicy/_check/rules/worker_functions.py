"""Which functions of a module are handed to threads and executors."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple, final

from ctxpolicy._check.asyncio_names import asyncio_name
from ctxpolicy._check.syntax.scopes import Defined, Scope

if TYPE_CHECKING:
    from ctxpolicy._check.checked_module import Reading


@final
class Worker(NamedTuple):
    """Who runs a function.

    Attributes:
        name: How to call it in a message.
        surely_thread: Whether it surely is a thread of this process: an executor may be a pool of processes.
        reused: Whether it runs other functions after.
    """

    name: str
    surely_thread: bool
    reused: bool


@final
class _Handing(NamedTuple):
    """Where a call takes the function that is to be run."""

    worker: Worker
    position: int
    keyword: str = ""


_THREAD = Worker("a thread", surely_thread=True, reused=False)
_POOL_THREAD = Worker("a pool's thread", surely_thread=True, reused=True)
_EXECUTOR = Worker("an executor", surely_thread=False, reused=True)

_BY_PATH = {
    "threading.Thread": _Handing(_THREAD, 1, "target"),
    "threading.Timer": _Handing(_THREAD, 1, "function"),
    "_thread.start_new_thread": _Handing(_THREAD, 0),
    "anyio.to_thread.run_sync": _Handing(_POOL_THREAD, 0, "func"),
    "trio.to_thread.run_sync": _Handing(_POOL_THREAD, 0, "sync_fn"),
}
_BY_METHOD = {
    "run_in_executor": _Handing(_EXECUTOR, 1, "func"),
    "submit": _Handing(_EXECUTOR, 0, "fn"),
    "map": _Handing(_EXECUTOR, 0, "fn"),
}


def workers(reading: Reading) -> dict[Scope, Worker]:
    """Give the scopes of the functions that a worker runs, each with that worker."""
    found: dict[Scope, Worker] = {}
    for call, place in reading.sites.calls:
        handing = _handing(reading, call, place.scope)
        function = _argument(call, handing) if handing else None
        if handing and function is not None:
            for scope in _scopes(reading, _unwrapped(reading, call, function, place.scope), place.scope):
                found.setdefault(scope, handing.worker)
    for class_, scope in reading.sites.classes:
        if any(reading.names.path(base, scope) == "threading.Thread" for base in class_.bases):
            methods = [binding.node for binding in scope.bindings.get("run", []) if isinstance(binding, Defined)]
            found.update((reading.sites.functions[node], _THREAD) for node in methods if _is_plain(node))
    return found


def _handing(reading: Reading, call: ast.Call, scope: Scope) -> _Handing | None:
    path = reading.names.path(call.func, scope)
    if asyncio_name(path) == "to_thread":
        return _Handing(_POOL_THREAD, 0)
    handing = _BY_PATH.get(path)
    if handing is None and isinstance(call.func, ast.Attribute):
        handing = _BY_METHOD.get(call.func.attr)
        if call.func.attr == "run_in_executor" and _is_none(call.args[:1]):
            return handing and handing._replace(worker=_POOL_THREAD)
    return handing


def _is_none(arguments: list[ast.expr]) -> bool:
    return any(isinstance(argument, ast.Constant) and argument.value is None for argument in arguments)


def _argument(call: ast.Call, handing: _Handing) -> ast.expr | None:
    if len(call.args) > handing.position:
        return call.args[handing.position]
    return next((keyword.value for keyword in call.keywords if keyword.arg == handing.keyword), None)


def _unwrapped(reading: Reading, call: ast.Call, function: ast.expr, scope: Scope) -> ast.expr:
    """Look through ``functools.partial(function, ...)`` and ``context.run, function``."""
    if isinstance(function, ast.Call) and reading.names.path(function.func, scope) == "functools.partial":
        return function.args[0] if function.args else function
    if isinstance(function, ast.Attribute) and function.attr == "run" and not reading.names.functions(function, scope):
        following = call.args[call.args.index(function) + 1 :] if function in call.args else []
        return following[0] if following else function
    return function


def _scopes(reading: Reading, function: ast.expr, scope: Scope) -> list[Scope]:
    return [reading.sites.functions[node] for node in reading.names.functions(function, scope) if _is_plain(node)]


def _is_plain(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.Lambda))
