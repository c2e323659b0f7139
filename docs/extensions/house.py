"""The layers of the package, read from its imports and drawn as an SVG picture.

A *part* is a folder or a module at the root of the package. Nothing is imported: the sources are parsed. The module
needs only the standard library, because the tests use it without Sphinx.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

PACKAGE = Path(__file__).parents[2] / "ctxpolicy"
ENTRANCES = ("__init__", "__main__")  # they stand above all layers
Imports = Mapping[str, frozenset[str]]
ROW, BOX, GAP, CHARACTER = 84, 34, 14, 8.0  # pixels


def sources(package: Path = PACKAGE) -> list[Path]:
    """Return every module of the package, sorted."""
    return sorted(package.rglob("*.py"))


def part_imports(package: Path = PACKAGE) -> Imports:
    """Return which parts each part imports, wherever in its modules the import statements are."""
    found: dict[str, set[str]] = {}
    for source in sources(package):
        part = source.relative_to(package).with_suffix("").parts[0]
        if part not in ENTRANCES:
            found.setdefault(part, set()).update(_imported_parts(source, package.name))
    return {part: frozenset(others & found.keys()) - {part} for part, others in found.items()}


def _imported_parts(source: Path, package: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            top, *below = (node.module or "").split(".")
            if top == package:
                found |= {below[0]} if below else {alias.name for alias in node.names}
    return found


def rows(imports: Imports) -> list[list[str]]:
    """Return the parts by rows, the lowest first: each one row above the highest part that it imports.

    Raises:
        ValueError: parts import each other.
    """
    found: list[list[str]] = []
    placed: set[str] = set()
    while len(placed) < len(imports):
        row = sorted(part for part, others in imports.items() if part not in placed and others <= placed)
        if not row:
            raise ValueError(f"these parts import each other: {sorted(imports.keys() - placed)}")
        found.append(row)
        placed.update(row)
    return found


def arrows(imports: Imports) -> list[tuple[str, str]]:
    """Return the imports to draw, from importer to imported: those that no longer chain of imports implies."""

    @cache
    def below(part: str) -> frozenset[str]:
        return imports[part].union(*map(below, imports[part]))

    return sorted(
        (part, other)
        for part, others in imports.items()
        for other in others
        if not any(other in below(between) for between in others)
    )


def picture(imports: Imports) -> str:
    """Return the picture as an SVG element: the parts in rows, and an arrow from each part to those that it imports."""
    lines = arrows(imports)
    places, width, height = _places(rows(imports), lines)
    svg = ET.Element(
        "svg",
        {
            "viewBox": f"0 0 {width:.0f} {height}",
            "role": "img",
            "class": "house",
            "xmlns": "http://www.w3.org/2000/svg",
        },
    )
    ET.SubElement(svg, "title").text = "The layers of ctxpolicy: each part imports only from the rows below its own"
    for importer, imported in lines:
        svg.append(_arrow(places[importer], places[imported]))
    for part, place in places.items():
        svg.append(_box(part, place))
    ET.indent(svg)
    return ET.tostring(svg, encoding="unicode")


Place = tuple[float, float, float]  # the centre, and the width


def _places(parts: list[list[str]], lines: list[tuple[str, str]]) -> tuple[dict[str, Place], float, int]:
    parts = _untangled(parts, lines)
    width = max(sum(map(_width, row)) + GAP * (len(row) + 1) for row in parts)
    places = {}
    for number, row in enumerate(parts):
        free = (width - sum(map(_width, row))) / (len(row) + 1)
        left = free
        for part in row:
            places[part] = (left + _width(part) / 2, (len(parts) - number - 0.5) * ROW, _width(part))
            left += _width(part) + free
    return places, width, len(parts) * ROW


def _untangled(parts: list[list[str]], lines: list[tuple[str, str]]) -> list[list[str]]:
    """Sort each row by where the neighbours of its parts stand in the other rows: fewer arrows cross then."""
    position = {part: (number + 1) / (len(row) + 1) for row in parts for number, part in enumerate(row)}
    for row in [*parts, *parts[::-1]] * 4:
        row.sort(key=lambda part: (_mean(_neighbours(part, lines), position, position[part]), part))
        position.update({part: (number + 1) / (len(row) + 1) for number, part in enumerate(row)})
    return parts


def _neighbours(part: str, lines: list[tuple[str, str]]) -> list[str]:
    return [other for line in lines if part in line for other in line if other != part]


def _mean(parts: Iterable[str], position: Mapping[str, float], default: float) -> float:
    found = [position[part] for part in parts]
    return sum(found) / len(found) if found else default


def _width(part: str) -> float:
    return len(part) * CHARACTER + 24


def _arrow(importer: Place, imported: Place) -> ET.Element:
    (x, y, _), (to_x, to_y, _) = importer, imported
    start, end, turn = y + BOX / 2, to_y - BOX / 2, ROW - BOX
    bend = turn * 0.6
    sideways = f"M{x:.0f} {start:.0f} C{x:.0f} {start + bend:.0f} {to_x:.0f} {start + turn - bend:.0f}"
    curve = f"{sideways} {to_x:.0f} {start + turn - 8:.0f} V{end - 8:.0f}"
    head = f"M{to_x - 4:.0f} {end - 8:.0f} L{to_x:.0f} {end:.0f} L{to_x + 4:.0f} {end - 8:.0f}"
    return ET.Element("path", {"class": "house-arrow", "d": f"{curve} {head}"})


def _box(part: str, place: Place) -> ET.Element:
    x, y, width = place
    link = ET.Element("a", {"href": f"#{anchor(part)}", "class": "house-part"})
    left, top = f"{x - width / 2:.0f}", f"{y - BOX / 2:.0f}"
    ET.SubElement(link, "rect", {"x": left, "y": top, "width": f"{width:.0f}", "height": str(BOX), "rx": "5"})
    ET.SubElement(link, "text", {"x": f"{x:.0f}", "y": f"{y + 5:.0f}"}).text = part
    return link


def anchor(part: str) -> str:
    """Return the anchor of the part's section in the map of the code."""
    return f"map-{part.strip('_').replace('_', '-')}"
