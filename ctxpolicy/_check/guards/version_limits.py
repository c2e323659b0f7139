"""What a comparison with the version of Python says: before which Python it can hold, before which it can fail to."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple, cast, final

from ctxpolicy._check.report import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Limit = Version | None
"""Reached only before this Python; ``None``: on all."""

NEVER = Version(0, 0)


@final
class Limits(NamedTuple):
    """Before which Python a condition can hold, and before which it can fail to."""

    held: Limit = None
    failed: Limit = None

    def negated(self) -> Limits:
        """Give the limits of the opposite."""
        return Limits(self.failed, self.held)


def least(limits: Iterable[Limit]) -> Limit:
    """Give the limit of what has to pass all of some limits."""
    return min((limit for limit in limits if limit is not None), default=None)


def greatest(limits: Iterable[Limit]) -> Limit:
    """Give the limit of what has to pass one of some limits."""
    every = list(limits)
    return None if None in every else max(cast("list[Version]", every), default=None)


def any_of(parts: Iterable[Limits]) -> Limits:
    """Give the limits of a condition that may be any of some."""
    every = list(parts)
    return Limits(greatest(part.held for part in every), greatest(part.failed for part in every))


def compared(part: str, operator: type[ast.cmpop], right: ast.expr) -> Limits:
    """Give the limits of a comparison with a part of the version: whole, major.minor, major, minor or hex."""
    if operator is ast.In and isinstance(right, (ast.Tuple, ast.List, ast.Set)):
        return any_of(compared(part, ast.Eq, each) for each in right.elts)
    if operator is ast.NotIn:
        return compared(part, ast.In, right).negated()
    wanted = _numbers(right, part)
    return Limits() if wanted is None else _version_limits(operator, wanted, whole=part in ("whole", "hex"))


def _numbers(expression: ast.expr, part: str) -> tuple[int, ...] | None:
    """Read what a version is compared with as a tuple that starts with the major version."""
    in_tuple = isinstance(expression, ast.Tuple)
    elements = expression.elts if isinstance(expression, ast.Tuple) else [expression]
    integers = tuple(_integers(elements))
    if in_tuple != (part in ("whole", "major.minor")) or len(integers) < min(len(elements), 2) or not integers:
        return None
    return integers if in_tuple else _from_number(integers[0], part)


def _integers(elements: list[ast.expr]) -> Iterator[int]:
    """Give the numbers that a version begins with: those of ``(3, 14, 0, "beta", 1)``."""
    for each in elements:
        if not isinstance(each, ast.Constant) or not isinstance(each.value, int):
            return
        yield each.value


def _from_number(number: int, part: str) -> tuple[int, ...]:
    if part == "hex":
        return (number >> 24, number >> 16 & 0xFF, number >> 8 & 0xFF)
    return (3, number) if part == "minor" else (number,)


def _version_limits(kind: type[ast.cmpop], wanted: tuple[int, ...], *, whole: bool) -> Limits:
    """Give the limits of ``sys.version_info <kind> wanted``.

    Where the whole is compared with fewer numbers than it has, it is greater than what it begins with:
    ``(3, 13, 0, ...) > (3, 13)``.
    """
    release = Version(wanted[0], wanted[1] if len(wanted) > 1 else 0)
    following = Version(release.major, release.minor + 1) if len(wanted) > 1 else Version(release.major + 1, 0)
    within = whole and any(wanted[2:])  # the limit is inside the release: some of its versions are on either side
    lower, upper = (following, following) if within else (release, release if whole else following)
    if kind is ast.Lt:
        return Limits(lower, None)
    if kind is ast.LtE:
        return Limits(upper, None)
    if kind is ast.GtE:
        return Limits(None, lower)
    if kind is ast.Gt:
        return Limits(None, upper)
    return Limits(following, None) if kind is ast.Eq else Limits()
