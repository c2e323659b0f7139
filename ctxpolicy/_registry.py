"""Resolvers by name: the built-in ones, and what distributions register as entry points."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from types import MappingProxyType
from typing import Any, Final

from ctxpolicy.errors import OptionError, PluginError, UnknownNameError
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["GROUP", "Registration", "chain", "get_resolver", "import_object", "make_resolver", "resolvers", "shared_resolver"]

GROUP: Final = "ctxpolicy.resolvers"
_OURS: Final = "ctxpolicy"
# Also what is registered where the package is used without being installed (a source tree, a zip file).
_BUILT_IN: Final = {
    "contextvar": "ctxpolicy.resolvers.contextvar:ContextVarResolver",
    "thread": "ctxpolicy.resolvers.thread:ThreadResolver",
    "task": "ctxpolicy.resolvers.task:TaskResolver",
    "greenlet": "ctxpolicy.resolvers.greenlet:GreenletResolver",
    "process": "ctxpolicy.resolvers.process:ProcessResolver",
    "keyed": "ctxpolicy.resolvers.keyed:KeyedResolver",
    "chain": "ctxpolicy._registry:chain",
}


class Registration:
    """A resolver registered by name, not loaded yet.

    Attributes:
        name: what :func:`get_resolver` takes.
        value: where its factory is, ``package.module:attribute``.
        distribution: the name of the distribution that registers it.
        version: that distribution's version; empty where the package is not installed.
    """

    def __init__(self, name: str, value: str, distribution: str, version: str) -> None:
        self.name = name
        self.value = value
        self.distribution = distribution
        self.version = version
        self._rivals: list[Registration] = []

    def load(self) -> Callable[..., ContextResolver]:
        """Import the factory.

        Raises:
            PluginError: that fails, or another distribution has registered the same name.
        """
        if self._rivals:
            claims = " and ".join(f"{claim.distribution} ({claim.value})" for claim in [self, *self._rivals])
            raise PluginError(
                f"the resolver name {self.name!r} is registered by {claims}: uninstall one of them, or give the "
                f"factory itself in place of the name, such as {self.value!r}"
            )
        return import_object(self.value, f"the resolver {self.name!r} of distribution {self.distribution}")

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


def resolvers() -> Mapping[str, Registration]:
    """Return what is registered, by name: the built-in resolvers first, then those of other distributions.

    Nothing is imported by this: a broken plugin shows in its registration's ``error``, and raises when asked for.
    """
    version = _version_of_ours()
    found = {name: Registration(name, value, _OURS, version) for name, value in _BUILT_IN.items()}
    for entry in metadata.entry_points(group=GROUP):
        distribution = entry.dist.name if entry.dist is not None else "an unknown distribution"
        if distribution == _OURS:
            continue
        claim = Registration(entry.name, entry.value, distribution, entry.dist.version if entry.dist else "")
        if entry.name in found:
            found[entry.name]._rivals.append(claim)
        else:
            found[entry.name] = claim
    return MappingProxyType(found)


def get_resolver(name: str, /, **options: Any) -> ContextResolver:
    """Make a resolver by name, a fresh one at each call.

    Args:
        name: a registered name, or ``"package.module:attribute"`` of a factory.
        options: what the factory takes (``key`` for ``"keyed"``).

    Raises:
        UnknownNameError: nothing is registered by this name.
        PluginError: it cannot be loaded, or two distributions claim the name.
        OptionError: an option is missing or unknown, or what the factory makes is no resolver.
    """
    if not isinstance(name, str):
        raise OptionError(f"a resolver's name must be a string, not {name!r}")
    if ":" in name:
        factory = import_object(name, "the resolver")
    else:
        known = resolvers()
        if name not in known:
            raise UnknownNameError(f"no resolver is called {name!r}; there are: {', '.join(known)}")
        factory = known[name].load()
    return _make(name, factory, options)


def make_resolver(what: ContextResolver | str) -> ContextResolver:
    """Return the resolver that ``what`` is, or a fresh one that it names.

    Raises:
        OptionError: it is neither, or a resolver of another version of the contract; and what :func:`get_resolver`
            raises.
    """
    resolver = get_resolver(what) if isinstance(what, str) else what
    if not isinstance(resolver, ContextResolver):
        raise OptionError(
            f"a resolver must be an instance of ContextResolver, or the name of one, not {resolver!r}"
            + (f": did you mean {resolver.__name__}()?" if isinstance(resolver, type) else "")
        )
    return _checked(resolver)


_shared: Final[dict[str, ContextResolver]] = {}


def shared_resolver(what: ContextResolver | str) -> ContextResolver:
    """Return the resolver that ``what`` is, or the one that stands for this name in the whole process.

    A contextvars context never forgets a variable, and each ``contextvar`` resolver has one: what is done by name a
    hundred thousand times must not make a resolver each time.
    """
    if not isinstance(what, str):
        return make_resolver(what)
    if what not in _shared:
        _shared.setdefault(what, make_resolver(what))
    return _shared[what]


def chain(resolvers: str | Iterable[ContextResolver | str]) -> ContextResolver:
    """A context is that of the first resolver whose kind of context is present.

    Args:
        resolvers: resolvers or names of resolvers, in order; or names joined by ``+``: ``"task+thread"``.
    """
    from ctxpolicy.resolvers.chain import ChainResolver

    members = resolvers.split("+") if isinstance(resolvers, str) else resolvers
    return ChainResolver(*(make_resolver(member) for member in members))


def import_object(value: str, what: str) -> Any:
    """Import ``package.module:attribute``.

    Raises:
        PluginError: that fails, for whatever reason; ``what`` says whose it is.
    """
    module, _, attribute = value.partition(":")
    try:
        found = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise PluginError(f"{what} cannot be loaded from {value!r}: {type(error).__name__}: {error}") from error
    return found


def _make(name: str, factory: Callable[..., ContextResolver], options: Mapping[str, Any]) -> ContextResolver:
    if not callable(factory):
        raise OptionError(f"the resolver {name!r} is registered as {factory!r}, which is not a callable that makes one")
    try:
        inspect.signature(factory).bind(**options)
    except TypeError as error:
        raise OptionError(f"resolver {name!r}: {error}; it takes {_options_of(factory)}") from error
    resolver = factory(**options)
    if not isinstance(resolver, ContextResolver):
        raise OptionError(f"the factory of the resolver {name!r} made {resolver!r}, which is no ContextResolver")
    return _checked(resolver)


def _options_of(factory: Callable[..., ContextResolver]) -> str:
    parameters = inspect.signature(factory).parameters.values()
    return ", ".join(str(parameter.replace(annotation=parameter.empty)) for parameter in parameters) or "no options"


def _checked(resolver: ContextResolver) -> ContextResolver:
    if resolver.contract != ContextResolver.contract:
        raise OptionError(
            f"{type(resolver).__name__} was written for version {resolver.contract} of the resolver's contract, and "
            f"this ctxpolicy has version {ContextResolver.contract}: update the package that it comes from"
        )
    return resolver


def _version_of_ours() -> str:
    from ctxpolicy._version import __version__

    return __version__
