"""The picture of the layers is drawn from the imports."""

import importlib.util
import itertools
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import ctxpolicy

DOCS = Path(__file__).parents[2] / "docs"
PACKAGE = Path(ctxpolicy.__file__).parent
MAP = DOCS / "contributing" / "map.md"
SVG = "{http://www.w3.org/2000/svg}"


def load(path):
    """Import a module that is on the path of Sphinx only."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


house = load(DOCS / "extensions" / "house.py")


@pytest.fixture
def package(tmp_path):
    def make(**modules):
        for name, text in modules.items():
            path = tmp_path / "house" / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "house"

    return make


def test_imports_are_read_in_functions_and_conditions_too(package):
    top = package(
        low="",
        other="def f():\n    from house import low\n",
        folder__inner="if TYPE_CHECKING:\n    from house.other import f\nfrom house.folder.more import x\nimport os\n",
        folder__more="x = 1\n",
    )
    assert house.part_imports(top) == {"low": frozenset(), "other": {"low"}, "folder": {"other"}}


def test_each_part_is_one_row_above_the_highest_part_that_it_imports():
    imports = {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset(), "d": frozenset("c"), "e": frozenset()}
    assert house.rows(imports) == [["c", "e"], ["b", "d"], ["a"]]


def test_parts_that_import_each_other_have_no_rows():
    with pytest.raises(ValueError, match=r"import each other: \['a', 'b'\]"):
        house.rows({"a": frozenset("b"), "b": frozenset("a"), "c": frozenset()})


def test_an_import_that_follows_from_others_is_not_drawn():
    imports = {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()}
    assert house.arrows(imports) == [("a", "b"), ("b", "c")]


def test_every_part_of_the_package_is_in_the_picture_and_leads_to_its_line_of_the_map():
    parts = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    picture = ET.fromstring(house.picture(house.part_imports(PACKAGE)))
    boxes = {box.findtext(f"{SVG}text"): box.get("href") for box in picture.iter(f"{SVG}a")}
    assert boxes.keys() == parts - {"__init__", "__main__"}
    targets = set(re.findall(r"^\(([\w-]+)\)=$", MAP.read_text(encoding="utf-8"), re.MULTILINE))
    assert {link.removeprefix("#") for link in boxes.values()} <= targets


def test_boxes_of_a_row_do_not_overlap():
    picture = ET.fromstring(house.picture(house.part_imports(PACKAGE)))
    rows = {}
    for box in picture.iter(f"{SVG}rect"):
        rows.setdefault(box.get("y"), []).append((float(box.get("x")), float(box.get("width"))))
    for row in map(sorted, rows.values()):
        assert all(left + width < right for (left, width), (right, _) in itertools.pairwise(row))


def test_the_picture_is_the_same_at_each_build():
    imports = house.part_imports(PACKAGE)
    assert house.picture(imports) == house.picture(dict(reversed(imports.items())))
