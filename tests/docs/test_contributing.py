"""The pages for contributors name only existing files and objects, and the map has a line for each module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ctxpolicy

ROOT = Path(__file__).parents[2]
PACKAGE = Path(ctxpolicy.__file__).parent
PAGES = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "contributing").glob("*.md"))]
MAP = ROOT / "docs" / "contributing" / "map.md"
# `folder/`, `folder/module.py` or `folder/module.py: Class.method`, in backquotes.
MENTION = re.compile(r"`((?:[\w.-]+/)*(?:[\w-]+\.py|[\w.-]+/))(?:: ([\w.]+))?`")
LINE_OF_THE_MAP = re.compile(r"^\| `([\w/]+(?:\.py|/))` \| .{10,}\. \|$", re.MULTILINE)

pytestmark = pytest.mark.skipif(not PAGES[0].exists(), reason="only a checkout has the pages for contributors")


def definitions(parent: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield the definitions directly in a module, a class or a function, including those in conditional statements."""
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node
        elif not isinstance(node, ast.expr) or isinstance(node, ast.Tuple):
            yield from definitions(node)


def defines(module: Path, name: str) -> bool:
    """Return whether the module defines the dotted name."""
    node: ast.AST | None = ast.parse(module.read_text(encoding="utf-8"))
    for part in name.split("."):
        node = dict(definitions(node)).get(part) if node else None
    return node is not None


def exists(path: str, name: str) -> bool:
    """Return whether the path is in the package or in the repository, and the name, if there is one, in that module."""
    found = [top / path for top in (PACKAGE, ROOT) if (top / path).exists()]
    return bool(found) and (not name or defines(found[0], name))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_everything_that_the_pages_for_contributors_name_exists(page):
    mentions = sorted(set(MENTION.findall(" ".join(page.read_text(encoding="utf-8").split()))))
    assert "\n".join(f"{path}: {name}" for path, name in mentions if not exists(path, name)) == ""


def test_names_are_found_where_they_are_defined_and_nowhere_else(tmp_path):
    module = tmp_path / "module.py"
    module.write_text(
        "if True:\n    class A:\n        b = 1\n        def c(self):\n            def d(): ...\n"
        "e, f = g\nfor h in e: i = 1\n"
    )
    assert all(defines(module, name) for name in ("A", "A.b", "A.c", "A.c.d", "e", "f", "h", "i"))
    assert not any(defines(module, name) for name in ("b", "A.d", "c", "g", "A.b.c", "int"))


def test_the_map_has_exactly_one_line_for_each_module_and_each_folder():
    modules = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")}
    # The line of a folder describes its __init__.py too.
    expected = {path for path in modules if not path.endswith("/__init__.py") or path == "testing/__init__.py"}
    inner = {f"{path.rpartition('/')[0]}/" for path in modules if path.count("/") > 1}
    lines = LINE_OF_THE_MAP.findall(MAP.read_text(encoding="utf-8").partition("## Every folder and module")[2])
    assert "\n".join(sorted((expected | inner) - set(lines))) == "", "the map has no line for these"
    assert "\n".join(sorted(set(lines) - expected - inner)) == "", "the map has lines for these, which do not exist"
    assert len(lines) == len(set(lines))


def test_the_map_has_a_heading_for_each_folder_at_the_root():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(re.findall(r"^### `(\w+)/`: \w", MAP.read_text(encoding="utf-8"), re.MULTILINE)) == folders
