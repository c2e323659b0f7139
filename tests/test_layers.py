"""The layout of the package: which folder may import which, and who may name the private attributes of asyncio."""

from __future__ import annotations

from pathlib import Path

import pytest

import ctxpolicy
from ctxpolicy._asyncio.private_names import PRIVATE_NAMES
from tests.support.layers import circles, foreign_names, imports_of, modules_of, wrong_imports

PACKAGE = Path(ctxpolicy.__file__).parent

# A folder imports only from folders (and modules at the root) of lower layers, and from itself.
LAYERS = [
    ["errors", "_callsite", "_threads", "_fork", "_contextvars", "_version", "_check"],
    ["_asyncio"],
    ["_loops"],
    ["resolvers"],
    ["_policy"],
    ["_lifetime", "_explain", "compat"],
    ["_bridge", "_pytest"],
    ["_cli", "testing", "pytest_plugin"],
    ["__init__", "__main__"],
]
LAYER_OF = {name: number for number, names in enumerate(LAYERS) for name in names}

# Private names in _asyncio/ that belong to objects of ctxpolicy or of the standard library, but not of asyncio.
NOT_ASYNCIOS = {"_find", "_read", "_replace", "_write", "_ctxpolicy_running", "_ctxpolicy_thread"}


def test_every_module_and_folder_at_the_root_has_a_layer():
    assert {name.partition("/")[0] for name in modules_of(PACKAGE)} == set(LAYER_OF)


def test_a_folder_imports_only_from_lower_layers():
    assert wrong_imports(imports_of(PACKAGE), LAYER_OF) == []


def test_no_import_cycle_exists_not_even_through_an_import_in_a_function():
    assert circles(imports_of(PACKAGE)) == []


def test_only_asyncios_folder_names_private_attributes_of_asyncio():
    named = [
        f"{module}:{line} names {name}"
        for module, path in modules_of(PACKAGE).items()
        # _check/ looks for these names in the source code of users: there they are data.
        if not module.startswith(("_asyncio/", "_check/"))
        for name, line in foreign_names(path).items()
        if name in PRIVATE_NAMES
    ]
    assert named == []


def test_the_list_of_private_names_matches_their_uses_in_asyncios_folder():
    folder = {name: path for name, path in modules_of(PACKAGE / "_asyncio").items() if name != "private_names"}
    used = {name for path in folder.values() for name in foreign_names(path)}
    assert used - NOT_ASYNCIOS == PRIVATE_NAMES


def test_the_root_has_few_modules_and_folders():
    names = set(modules_of(PACKAGE))
    assert len([name for name in names if "/" not in name]) <= 12
    assert len({name.partition("/")[0] for name in names if "/" in name}) <= 14


def test_no_module_is_longer_than_400_lines():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules_of(PACKAGE).items()}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


# --- the checks can fail ----------------------------------------------------------------------------------------------

EXAMPLE_LAYERS = {"low": 0, "left": 1, "right": 1, "high": 2}


def write_package(root: Path, modules: dict[str, str]) -> Path:
    package = root / "house"
    for name, source in modules.items():
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return package


@pytest.mark.parametrize(
    ("statement", "imported"),
    [
        ("from house.right.b import x", "right/b"),
        ("from house.right import b", "right/b"),
        ("from house import right", "right/__init__"),
        ("import house.right.b", "right/b"),
        ("from ..right.b import x", "right/b"),
        ("from .. import high", "high"),
        ("def f():\n    from house.high import x", "high"),
        ("class C:\n    async def f(self):\n        import house.high", "high"),
        ("try:\n    pass\nfinally:\n    from house.high import x", "high"),
        ("if TYPE_CHECKING:\n    from house.high import x", "high"),
    ],
)
def test_an_import_from_the_same_or_a_higher_layer_is_found(tmp_path, statement, imported):
    package = write_package(
        tmp_path, {"left/a": statement, "left/__init__": "", "right/b": "", "right/__init__": "", "high": "", "low": ""}
    )
    line = statement.count("\n") + 1
    assert wrong_imports(imports_of(package), EXAMPLE_LAYERS) == [f"left/a:{line} imports {imported}"]


def test_an_import_from_a_lower_layer_or_the_same_folder_is_allowed(tmp_path):
    package = write_package(
        tmp_path, {"left/a": "from house.left.b import x\nfrom house import low\nimport os", "left/b": "", "low": ""}
    )
    imports = imports_of(package)
    assert [each.imported for each in imports] == ["left/b", "low"]
    assert wrong_imports(imports, EXAMPLE_LAYERS) == []


def test_an_import_that_does_not_run_at_import_is_marked(tmp_path):
    modules = {"left/a": "import house.low\ndef f():\n    import house.low\nif TYPE_CHECKING:\n    import house.low"}
    imports = imports_of(write_package(tmp_path, {**modules, "low": ""}))
    assert [each.deferred for each in imports] == [False, True, True]


def test_a_cycle_is_found_even_over_a_third_module_and_in_a_function(tmp_path):
    modules = {
        "left/a": "import house.left.b",
        "left/b": "from house.left import c",
        "left/c": "def f():\n    import house.left.a",
        "left/d": "import house.left.a",
    }
    assert circles(imports_of(write_package(tmp_path, modules))) == [["left/a", "left/b", "left/c"]]


@pytest.mark.parametrize(
    "statement",
    ["loop._ready", "getattr(loop, '_ready')", "self.loop._ready", "from asyncio.x import _ready", "vars(x)['_ready']"],
)
def test_a_private_name_is_found(tmp_path, statement):
    path = tmp_path / "module.py"
    path.write_text(f"import asyncio\n{statement}\n", encoding="utf-8")
    assert foreign_names(path) == {"_ready": 2}


@pytest.mark.parametrize("statement", ["self._ready = 1", "_ready = 1", "def _ready(): pass", "x.__dict__", "x.ready"])
def test_a_private_name_of_the_module_itself_is_not_reported(tmp_path, statement):
    path = tmp_path / "module.py"
    path.write_text(statement, encoding="utf-8")
    assert foreign_names(path) == {}
