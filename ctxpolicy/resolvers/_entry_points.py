"""What is registered by name: the built-in resolvers, and the entry points of other distributions."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, final

from ctxpolicy.errors import PluginError
from ctxpolicy.resolvers.base import ContextResolver

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["BUILT_IN", "GROUP", "Registration", "import_factory", "import_object", "registered_resolvers"]


GROUP: Final = "ctxpolicy.resolvers"


_OURS: Final = "ctxpolicy"


# The same as pyproject.toml registers: this package may be used without being installed (a source tree, a zip file).
BUILT_IN: Final = {
    "contextvar": "ctxpolicy.resolvers.contextvar:ContextVarResolver",
    "thread": "ctxpolicy.resolvers.thread:ThreadResolver",
    "task": "ctxpolicy.resolvers.task:TaskResolver",
    "greenlet": "ctxpolicy.resolvers.greenlet:GreenletResolver",
    "process": "ctxpolicy.resolvers.process:ProcessResolver",
    "keyed": "ctxpolicy.resolvers.keyed:KeyedResolver",
    "chain": "ctxpolicy.resolvers._registry:chain",
    "trio": "ctxpolicy.resolvers.trio:TrioResolver",
}


@final
class Registration:
    """A resolver registered by name, not loaded yet.

    Attributes:
        name: what :func:`get_resolver` takes.
        value: where its factory is, ``package.module:attribute``.
        distribution: the name of the distribution that registers it.
        version: that distribution's version; empty where that is not known.
    """

    __slots__ = ("_rivals", "distribution", "name", "value", "version")

    def __init__(self, name: str, value: str, distribution: str, version: str) -> None:
        self.name: str = name
        self.value: str = value
        self.distribution: str = distribution
        self.version: str = version
        self._rivals: list[Registration] = []

    def load(self) -> Callable[..., ContextResolver]:
        """Import the factory.

        Raises:
            PluginError: that fails, it is no callable, or another distribution has registered the same name.
        """
        if self._rivals:
            claims = " and ".join(f"{claim.distribution} ({claim.value})" for claim in [self, *self._rivals])
            raise PluginError(
                f"the resolver name {self.name!r} is registered by {claims}: uninstall one of them, or give the "
                f"factory itself in place of the name, such as {self.value!r}"
            )
        return import_factory(self.value, f"the resolver {self.name!r} of distribution {self.distribution}")

    @property
    def error(self) -> PluginError | None:
        """Why :meth:`load` fails, ``None`` where it does not."""
        try:
            self.load()
        except PluginError as error:
            return error
        return None

    @property
    def summary(self) -> str:
        """A line of what its context is, from the factory's docstring; empty where it cannot be loaded."""
        try:
            doc = inspect.getdoc(self.load()) or ""
        except PluginError:
            return ""
        return doc.partition("\n")[0]

    def __repr__(self) -> str:
        return f"<Registration {self.name} = {self.value} of {self.distribution} {self.version}>"


def registered_resolvers() -> Mapping[str, Registration]:
    """Return what is registered, by name: the built-in resolvers first, then those of other distributions.

    Nothing is imported by this: a broken plugin shows in its registration's ``error``, and raises when asked for.
    """
    from ctxpolicy._version import __version__

    found = {name: Registration(name, value, _OURS, __version__) for name, value in BUILT_IN.items()}
    for claim in _claims():
        if claim.name in found:
            found[claim.name]._rivals.append(claim)
        else:
            found[claim.name] = claim
    return MappingProxyType(found)


def import_object(value: str, what: str) -> Any:
    """Import ``package.module:attribute``.

    Raises:
        PluginError: that fails, for whatever reason; ``what`` says whose it is.
    """
    module, _, attribute = value.partition("[")[0].partition(":")  # an entry point may end in [extras]
    try:
        found = importlib.import_module(module.strip())
        for part in attribute.strip().split("."):
            found = getattr(found, part)
    except PluginError:
        raise  # the module says itself what it needs
    except (Exception, SystemExit) as error:
        raise PluginError(f"{what} cannot be loaded from {value!r}: {type(error).__name__}: {error}") from error
    return found


def import_factory(value: str, what: str) -> Callable[..., ContextResolver]:
    found: Callable[..., ContextResolver] = import_object(value, what)
    if not callable(found):
        raise PluginError(f"{what} cannot be made: {value!r} is {found!r}, which is no callable that makes one")
    return found


def _claims() -> Iterator[Registration]:
    # Imported here: that takes as long as importing all of ctxpolicy does. And not metadata.entry_points(), which one
    # distribution with a damaged file breaks for all.
    from importlib import metadata

    seen = {_OURS}
    for distribution in metadata.distributions():
        entries = _entries(distribution)
        if not entries:
            continue
        name, version = _name_and_version(distribution)
        if name in seen:
            continue  # ours, or one that is shadowed by another copy of it earlier on the path
        if name is not None:
            seen.add(name)
        for key, value in entries:
            yield Registration(key, value, name or "an unknown distribution", version or "")


def _entries(distribution: Distribution) -> list[tuple[str, str]]:
    try:
        return [(entry.name, entry.value) for entry in distribution.entry_points if entry.group == GROUP]
    except Exception:  # whatever a damaged file makes of the parser  # noqa: BLE001
        return []


def _name_and_version(distribution: Distribution) -> tuple[str | None, str | None]:
    try:
        return distribution.metadata["Name"], distribution.metadata["Version"]
    except Exception:  # no metadata file: None up to 3.14, MetadataNotFound from 3.15 on  # noqa: BLE001
        return None, None
