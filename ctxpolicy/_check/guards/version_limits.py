"""Comparisons with the Python version: on which versions a comparison can be true, and on which it can be false."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple, cast, final

from ctxpolicy._check.report import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Limit = Version | None
"""The first Python version on which a node is not reached; ``None`` if every version reaches it."""

NEVER = Version(0, 0)


@final
class Limits(NamedTuple):
    """The first Python versions on which a condition can no longer be true, and can no longer be false."""

    true_before: Limit = None
    false_before: Limit = None

    def negated(self) -> Limits:
        """Return the limits of the negated condition."""
        return Limits(self.false_before, self.true_before)


def earliest(limits: Iterable[Limit]) -> Limit:
    """Return the limit of a node that is reached only where all of several limits allow it."""
    return min((limit for limit in limits if limit is not None), default=None)


def latest(limits: Iterable[Limit]) -> Limit:
    """Return the limit of a node that is reached where at least one of several limits allows it."""
    every = list(limits)
    return None if None in every else max(cast("list[Version]", every), default=None)


def any_of(parts: Iterable[Limits]) -> Limits:
    """Return the limits of a condition that may be any one of the given conditions."""
    every = list(parts)
    return Limits(latest(part.true_before for part in every), latest(part.false_before for part in every))


def compare_version(part: str, operator: type[ast.cmpop], right: ast.expr) -> Limits:
    """Return the limits of a comparison with a part of the version: whole, major.minor, major, minor or hex."""
    if operator is ast.In and isinstance(right, (ast.Tuple, ast.List, ast.Set)):
        return any_of(compare_version(part, ast.Eq, each) for each in right.elts)
    if operator is ast.NotIn:
        return compare_version(part, ast.In, right).negated()
    version = _version_tuple(right, part)
    return Limits() if version is None else _version_limits(operator, version, whole=part in ("whole", "hex"))


def _version_tuple(expression: ast.expr, part: str) -> tuple[int, ...] | None:
    """Return the compared value as a tuple that starts with the major version, or ``None`` if the value is unknown."""
    in_tuple = isinstance(expression, ast.Tuple)
    elements = expression.elts if isinstance(expression, ast.Tuple) else [expression]
    integers = tuple(_integers(elements))
    if in_tuple != (part in ("whole", "major.minor")) or len(integers) < min(len(elements), 2) or not integers:
        return None
    return integers if in_tuple else _from_number(integers[0], part)


def _integers(elements: list[ast.expr]) -> Iterator[int]:
    """Return the leading integers, such as 3, 14 and 0 in ``(3, 14, 0, "beta", 1)``."""
    for each in elements:
        if not isinstance(each, ast.Constant) or not isinstance(each.value, int):
            return
        yield each.value


def _from_number(number: int, part: str) -> tuple[int, ...]:
    if part == "hex":
        return (number >> 24, number >> 16 & 0xFF, number >> 8 & 0xFF)
    return (3, number) if part == "minor" else (number,)


def _version_limits(kind: type[ast.cmpop], version: tuple[int, ...], *, whole: bool) -> Limits:
    """Return the limits of ``sys.version_info <kind> version``.

    If ``version`` has fewer items than ``sys.version_info`` and both start alike, ``sys.version_info`` is the greater
    one: ``(3, 13, 0, ...) > (3, 13)``.
    """
    release = Version(version[0], version[1] if len(version) > 1 else 0)
    following = Version(release.major, release.minor + 1) if len(version) > 1 else Version(release.major + 1, 0)
    within = whole and any(version[2:])  # the limit lies inside a feature release, such as (3, 13, 2)
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
