"""The resolvers and loop factories that can be given by name, with their origin, their options and any error."""

from __future__ import annotations

import inspect
import platform
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any, NamedTuple

from ctxpolicy._loops.factories import NAMED_FACTORIES, NamedFactory, loop_factory
from ctxpolicy.errors import CtxPolicyError
from ctxpolicy.resolvers._entry_points import Registration, registered_resolvers
from ctxpolicy.resolvers._registry import get_resolver

__all__ = ["ListEntry", "as_text", "listed_loop_factories", "listed_resolvers"]


class ListEntry(NamedTuple):
    """A resolver or loop factory that has a name.

    Attributes:
        name: The name.
        distribution: The distribution that contains it, or the implementation of Python.
        version: The version of that distribution; empty if unknown.
        available: Whether it can be used here.
        error: The reason why it cannot be used, and how to fix it; ``None`` if it can be used.
        options: Its options, required ones first.
        summary: A description of its contexts or its loops; empty if unknown.
    """

    name: str
    distribution: str
    version: str
    error: str | None
    options: tuple[str, ...]
    summary: str

    @property
    def available(self) -> bool:
        """Whether it can be used here."""
        return self.error is None

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as a dictionary for ``json.dumps``."""
        return {**self._asdict(), "available": self.available}


def listed_resolvers() -> Iterator[ListEntry]:
    """Yield an entry for each registered resolver. Make those without required options, to find their errors."""
    for registration in registered_resolvers().values():
        error, options = _probe(registration)
        yield ListEntry(
            registration.name,
            registration.distribution,
            registration.version,
            error,
            options,
            "" if error else registration.summary.replace("``", ""),
        )


def _probe(registration: Registration) -> tuple[str | None, tuple[str, ...]]:
    try:
        options = _options(registration)
        if all("=" in option for option in options):
            get_resolver(registration.name)
    except CtxPolicyError as error:
        return str(error), ()
    except Exception as error:  # noqa: BLE001  # a plugin's factory may raise anything
        return f"{type(error).__name__}: {error}", ()
    return None, options


def _options(registration: Registration) -> tuple[str, ...]:
    factory = registration.load()
    try:
        parameters: Mapping[str, inspect.Parameter] = inspect.signature(factory).parameters
    except ValueError:  # some callables written in C have no signature
        return ()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(str(each.replace(annotation=each.empty)) for each in parameters.values() if each.kind in named)


def listed_loop_factories() -> Iterator[ListEntry]:
    """Yield an entry for each named loop factory."""
    for factory in NAMED_FACTORIES.values():
        try:
            loop_factory(factory.name)
            error = None
        except CtxPolicyError as unavailable:
            error = str(unavailable)
        yield ListEntry(factory.name, *_distribution_and_version(factory), error, (), factory.summary)


def _distribution_and_version(factory: NamedFactory) -> tuple[str, str]:
    if factory.package is None:
        return platform.python_implementation(), platform.python_version()
    try:
        return factory.package, metadata.version(factory.package)
    except metadata.PackageNotFoundError:
        return factory.package, ""


def as_text(heading: str, listed: list[ListEntry]) -> str:
    """Return a table with one line for each entry."""
    rows = [(each.name, f"{each.distribution} {each.version}".rstrip(), _state(each)) for each in listed]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join([heading, *(f"  {name:{widths[0]}}  {by:{widths[1]}}  {state}" for name, by, state in rows)])


def _state(each: ListEntry) -> str:
    if each.error is not None:
        return f"not available: {' '.join(each.error.split())}"
    options = f" Options: {', '.join(each.options)}" if each.options else ""
    return f"available: {each.summary}{options}"
