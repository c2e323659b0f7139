"""CTX101, CTX102, CTX103, CTX201 and CTX202: names that asyncio has dropped.

A finding stands where the name is taken from asyncio (an import, an attribute, ``getattr``): that is what fails. What
the program does with it after is not repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctxpolicy._check.asyncio_names import POLICY, REMOVED_NAMES, Removed, removed, star_removed
from ctxpolicy._check.checked_module import Claim, Node, Reading
from ctxpolicy._check.syntax.name_resolution import literal

if TYPE_CHECKING:
    import ast
    from collections.abc import Collection, Iterator

    from ctxpolicy._check.report import Certainty, Finding
    from ctxpolicy._check.syntax.scopes import Place


def find(reading: Reading) -> Iterator[Finding | None]:
    """Find where a removed name is taken from asyncio."""
    for import_, place in reading.sites.imports:
        for alias in import_.names if not import_.level else ():
            yield _taken(reading, alias, place, {f"{import_.module}.{alias.name}"}, "ImportError")
    for attribute, place in reading.sites.attributes:
        yield _taken(reading, attribute, place, reading.names.paths(attribute, place.scope), "AttributeError")
    for call, place in reading.sites.calls:
        if literal(call, 1) in REMOVED_NAMES and reading.names.path(call.func, place.scope) == "builtins.getattr":
            paths = reading.names.paths(call, place.scope)
            yield _taken(
                reading, call, place, paths, "AttributeError", handled=len(call.args) > len(("object", "name"))
            )
    for name, place in reading.sites.names:
        yield _from_star(reading, name, place)


def _taken(
    reading: Reading, node: Node, place: Place, paths: Collection[str], exception: str, *, handled: bool = False
) -> Finding | None:
    """Judge the taking of a name that may be any of some dotted paths."""
    path, gone = next(((path, gone) for path in sorted(paths) if (gone := removed(path))), ("", None))
    if gone is None:
        return None
    certainty: Certainty = "certain" if len(paths) == 1 else "likely"
    claim = _claim(path.replace(f"{POLICY}.", "a policy's "), gone, place, certainty)
    return reading.finding(node, place, claim, handled=handled or reading.handlers.caught(place, exception))


def _from_star(reading: Reading, name: ast.Name, place: Place) -> Finding | None:
    gone = star_removed(name.id)
    path = reading.names.path(name, place.scope) if place.scope.find(name.id) is None else ""
    if gone is None or not path.startswith("asyncio."):
        return None
    claim = _claim(f"{name.id} of `from asyncio import *`", gone, place, "certain")
    return reading.finding(name, place, claim, handled=reading.handlers.caught(place, "NameError"))


def _claim(what: str, gone: Removed, place: Place, certainty: Certainty) -> Claim:
    # An annotation is evaluated only if someone asks for it, from 3.14 on.
    certainty = "possible" if place.annotation else certainty
    return Claim(
        gone.code, f"{what} is gone in Python {gone.fails}", certainty, gone.warns, gone.fails, gone.replacement
    )
