"""The resolvers that are registered by name: the built-in ones, and the entry points of other distributions."""

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


# A copy of the table in pyproject.toml, because this package also works without an installation (a source tree, a zip
# file).
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
    """A resolver that is registered by name, and not imported yet.

    Attributes:
        name: the name that :func:`get_resolver` takes.
        value: the place of the factory, ``package.module:attribute``.
        distribution: the name of the distribution that registers the resolver.
        version: the version of that distribution; empty if unknown.
    """

    __slots__ = ("_rivals", "distribution", "name", "value", "version")

    def __init__(self, name: str, value: str, distribution: str, version: str) -> None:
        self.name: str = name
        self.value: str = value
        self.distribution: str = distribution
        self.version: str = version
        self._rivals: list[Registration] = []

    def load(self) -> Callable[..., ContextResolver]:
        """Import the factory and return it.

        Raises:
            PluginError: the import fails, the factory is not callable, or another distribution registers the same name.
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
        """The error that :meth:`load` raises, ``None`` if it raises none."""
        try:
            self.load()
        except PluginError as error:
            return error
        return None

    @property
    def summary(self) -> str:
        """The first line of the factory's docstring; empty if the factory cannot be imported."""
        try:
            doc = inspect.getdoc(self.load()) or ""
        except PluginError:
            return ""
        return doc.partition("\n")[0]

    def __repr__(self) -> str:
        return f"<Registration {self.name} = {self.value} of {self.distribution} {self.version}>"


def registered_resolvers() -> Mapping[str, Registration]:
    """Return the registered resolvers by name: the built-in ones first, then those of other distributions.

    This function imports no resolver. A broken plugin raises its error when the resolver is requested. Until then the
    error is in the attribute ``error`` of its registration.
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
    """Import the object ``package.module:attribute`` and return it.

    Args:
        value: the place of the object, ``package.module:attribute``.
        what: the name of the object in messages.

    Raises:
        PluginError: the import fails, whatever the reason.
    """
    module, _, attribute = value.partition("[")[0].partition(":")  # an entry point may end in [extras]
    try:
        found = importlib.import_module(module.strip())
        for part in attribute.strip().split("."):
            found = getattr(found, part)
    except PluginError:
        raise  # its message says which package the module needs
    except (Exception, SystemExit) as error:
        raise PluginError(f"{what} cannot be loaded from {value!r}: {type(error).__name__}: {error}") from error
    return found


def import_factory(value: str, what: str) -> Callable[..., ContextResolver]:
    found: Callable[..., ContextResolver] = import_object(value, what)
    if not callable(found):
        raise PluginError(f"{what} cannot be made: {value!r} is {found!r}, which is no callable that makes one")
    return found


def _claims() -> Iterator[Registration]:
    # Imported here, because the import takes as long as the import of all of ctxpolicy. metadata.entry_points() is not
    # used, because it fails for all distributions if a file of one distribution is damaged.
    from importlib import metadata

    seen = {_OURS}
    for distribution in metadata.distributions():
        entries = _entries(distribution)
        if not entries:
            continue
        name, version = _name_and_version(distribution)
        if name in seen:
            continue  # ctxpolicy itself, or a second copy of a distribution, later on the path
        if name is not None:
            seen.add(name)
        for key, value in entries:
            yield Registration(key, value, name or "an unknown distribution", version or "")


def _entries(distribution: Distribution) -> list[tuple[str, str]]:
    try:
        return [(entry.name, entry.value) for entry in distribution.entry_points if entry.group == GROUP]
    except Exception:  # the parser may raise anything on a damaged file  # noqa: BLE001
        return []


def _name_and_version(distribution: Distribution) -> tuple[str | None, str | None]:
    try:
        return distribution.metadata["Name"], distribution.metadata["Version"]
    except Exception:  # no metadata file: None up to 3.14, MetadataNotFound from 3.15 on  # noqa: BLE001
        return None, None
