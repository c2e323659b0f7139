"""Reads a package's imports and private names from its source, for the tests of its layout."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Import", "circles", "foreign_names", "imports_of", "modules_of", "wrong_imports"]


class Import(NamedTuple):
    """An import of one module of the package by another one.

    Attributes:
        importer: the path of the importing module relative to the package, without ``.py``.
        imported: the path of the imported module.
        line: the line of the import statement.
        deferred: whether the statement does not run at import, because it is inside a function or for type checkers.
    """

    importer: str
    imported: str
    line: int
    deferred: bool


def modules_of(package: Path) -> dict[str, Path]:
    """Return the modules of ``package``: their files by their path relative to it, without ``.py``."""
    return {str(path.relative_to(package).with_suffix("")): path for path in sorted(package.rglob("*.py"))}


def imports_of(package: Path) -> list[Import]:
    """Return every import of a module of ``package`` by another one."""
    modules = modules_of(package)
    return [
        Import(name, target, node.lineno, deferred)
        for name, path in modules.items()
        for node, deferred in _import_statements(ast.parse(path.read_text(encoding="utf-8")))
        for target in _targets(node, name, package.name, modules)
        if target != name
    ]


def _import_statements(tree: ast.AST, deferred: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, deferred
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from _import_statements(node, True)
        else:
            is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _import_statements(node, deferred or is_function)


def _targets(node: ast.Import | ast.ImportFrom, importer: str, package: str, modules: Collection[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        base = _absolute_base(node, importer, package)
        names = [f"{base}.{alias.name}" for alias in node.names]
    for name in names:
        path = name.split(".")
        if path[0] != package:
            continue
        # The longest leading part that is a module. The last parts may be a name in the module.
        for end in range(len(path), 0, -1):
            target = "/".join(path[1:end])
            found = next((each for each in (target, f"{target}/__init__".lstrip("/")) if each in modules), None)
            if found is not None:
                yield found
                break


def _absolute_base(node: ast.ImportFrom, importer: str, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = [package, *importer.split("/")[:-1]]
    base = parents[: len(parents) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def wrong_imports(imports: Sequence[Import], layers: Mapping[str, int]) -> list[str]:
    """Return the imports that break the layers: imports from a higher layer or from another folder of the same layer.

    Args:
        imports: the imports.
        layers: the layer of each folder, and of each module at the root of the package.
    """
    wrong = []
    for each in imports:
        importer, imported = _folder_or_module(each.importer), _folder_or_module(each.imported)
        if importer != imported and layers[importer] <= layers[imported]:
            wrong.append(f"{each.importer}:{each.line} imports {each.imported}")
    return wrong


def _folder_or_module(module: str) -> str:
    return module.partition("/")[0]


def circles(imports: Sequence[Import]) -> list[list[str]]:
    """Return the import circles: groups of modules that import each other, directly or through others."""
    graph: dict[str, set[str]] = {}
    for each in imports:
        graph.setdefault(each.importer, set()).add(each.imported)
    reached = {module: _reached(graph, module) for module in graph}
    found = {
        tuple(sorted({module, *(m for m in reached[module] if module in reached.get(m, ()))}))
        for module in graph
        if module in reached[module]
    }
    return sorted(map(list, found))


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        new = graph.get(ahead.pop(), set()) - reached
        reached |= new
        ahead += new
    return reached


def foreign_names(path: Path) -> dict[str, int]:
    """Return the private names of foreign objects that a module uses, each with a line.

    These are: attributes of anything but ``self`` and ``cls``, imported names, and strings that are such a name.
    """
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        ):
            names = [node.attr]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("_") and not name.startswith("__"):
                found.setdefault(name, node.lineno)
    return found
