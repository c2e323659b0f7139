"""What there is to choose from: every resolver and loop factory, whether it can be used here, and what it is."""

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

__all__ = ["Listed", "as_text", "listed_loop_factories", "listed_resolvers"]


class Listed(NamedTuple):
    """A resolver or loop factory that goes by a name.

    Attributes:
        name: the name.
        distribution: what it comes with, a distribution or the Python itself.
        version: that one's version; empty where that is not known.
        available: whether it can be used here.
        error: why not, and how to mend it.
        options: what it takes, those first that it needs.
        summary: what its context is, or its loops are; empty where that cannot be told.
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
        """Return the same for ``json.dumps``."""
        return {**self._asdict(), "available": self.available}


def listed_resolvers() -> Iterator[Listed]:
    """Look at every registered resolver; one that needs no options is made, to see whether it can be."""
    for registration in registered_resolvers().values():
        error, options = _look_at(registration)
        yield Listed(
            registration.name,
            registration.distribution,
            registration.version,
            error,
            options,
            "" if error else registration.summary.replace("``", ""),
        )


def _look_at(registration: Registration) -> tuple[str | None, tuple[str, ...]]:
    try:
        options = _options(registration)
        if all("=" in option for option in options):
            get_resolver(registration.name)
    except CtxPolicyError as error:
        return str(error), ()
    except Exception as error:  # whatever a plugin raises  # noqa: BLE001
        return f"{type(error).__name__}: {error}", ()
    return None, options


def _options(registration: Registration) -> tuple[str, ...]:
    factory = registration.load()
    try:
        parameters: Mapping[str, inspect.Parameter] = inspect.signature(factory).parameters
    except ValueError:  # some callables written in C do not tell
        return ()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(str(each.replace(annotation=each.empty)) for each in parameters.values() if each.kind in named)


def listed_loop_factories() -> Iterator[Listed]:
    """Look at every loop factory that goes by a name."""
    for factory in NAMED_FACTORIES.values():
        try:
            loop_factory(factory.name)
            error = None
        except CtxPolicyError as trouble:
            error = str(trouble)
        yield Listed(factory.name, *_origin(factory), error, (), factory.summary)


def _origin(factory: NamedFactory) -> tuple[str, str]:
    if factory.package is None:
        return platform.python_implementation(), platform.python_version()
    try:
        return factory.package, metadata.version(factory.package)
    except metadata.PackageNotFoundError:
        return factory.package, ""


def as_text(heading: str, listed: list[Listed]) -> str:
    """Return a table for people, a line each."""
    rows = [(each.name, f"{each.distribution} {each.version}".rstrip(), _state(each)) for each in listed]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join([heading, *(f"  {name:{widths[0]}}  {by:{widths[1]}}  {state}" for name, by, state in rows)])


def _state(each: Listed) -> str:
    if each.error is not None:
        return f"not available: {' '.join(each.error.split())}"
    options = f" Options: {', '.join(each.options)}" if each.options else ""
    return f"available: {each.summary}{options}"
