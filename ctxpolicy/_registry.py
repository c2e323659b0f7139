"""Resolvers by name: the built-in ones, and what distributions register as entry points."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, final

from ctxpolicy.errors import OptionError, PluginError, UnknownNameError
from ctxpolicy.resolvers.base import ContextResolver

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = [
    "GROUP",
    "Registration",
    "chain",
    "get_resolver",
    "import_object",
    "make_resolver",
    "resolvers",
    "shared_resolver",
]

GROUP: Final = "ctxpolicy.resolvers"
_OURS: Final = "ctxpolicy"
# The same as pyproject.toml registers: this package may be used without being installed (a source tree, a zip file).
_BUILT_IN: Final = {
    "contextvar": "ctxpolicy.resolvers.contextvar:ContextVarResolver",
    "thread": "ctxpolicy.resolvers.thread:ThreadResolver",
    "task": "ctxpolicy.resolvers.task:TaskResolver",
    "greenlet": "ctxpolicy.resolvers.greenlet:GreenletResolver",
    "process": "ctxpolicy.resolvers.process:ProcessResolver",
    "keyed": "ctxpolicy.resolvers.keyed:KeyedResolver",
    "chain": "ctxpolicy._registry:chain",
    "trio": "ctxpolicy.integrations.trio:TrioResolver",
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
        return _import_factory(self.value, f"the resolver {self.name!r} of distribution {self.distribution}")

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
    from ctxpolicy._version import __version__

    found = {name: Registration(name, value, _OURS, __version__) for name, value in _BUILT_IN.items()}
    for claim in _claims():
        if claim.name in found:
            found[claim.name]._rivals.append(claim)
        else:
            found[claim.name] = claim
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
        return _make(name, _import_factory(name, "the resolver"), options)
    known = resolvers()
    if name not in known:
        raise UnknownNameError(
            f"no resolver is called {name!r}; there are: {', '.join(known)}; or give 'package.module:attribute'"
        )
    return _make(name, known[name].load(), options)


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

    if not isinstance(resolvers, Iterable):
        raise OptionError(f"resolvers must be resolvers or their names, as in 'task+thread', not {resolvers!r}")
    members = resolvers.split("+") if isinstance(resolvers, str) else resolvers
    return ChainResolver(*(make_resolver(member) for member in members))


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


def _import_factory(value: str, what: str) -> Callable[..., ContextResolver]:
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


def _make(name: str, factory: Callable[..., ContextResolver], options: Mapping[str, Any]) -> ContextResolver:
    _check_options(name, factory, options)
    resolver = factory(**options)
    if not isinstance(resolver, ContextResolver):
        raise OptionError(f"the factory of the resolver {name!r} made {resolver!r}, which is no ContextResolver")
    return _checked(resolver)


def _check_options(name: str, factory: Callable[..., ContextResolver], options: Mapping[str, Any]) -> None:
    try:
        signature = _signature(factory)
    except ValueError:  # some callables written in C do not tell; the call will
        return
    try:
        signature.bind(**options)
    except TypeError as error:
        takes = ", ".join(str(each.replace(annotation=each.empty)) for each in signature.parameters.values())
        raise OptionError(
            f"resolver {name!r}: {error}. It takes {takes or 'no options'}: get_resolver({name!r}, option=value)"
        ) from error


def _signature(factory: Callable[..., ContextResolver]) -> inspect.Signature:
    if isinstance(factory, type) and factory.__init__ is object.__init__:  # type: ignore[misc]
        return inspect.Signature()  # not that of ContextResolver.__new__, which lets everything pass
    return inspect.signature(factory)


def _checked(resolver: ContextResolver) -> ContextResolver:
    if resolver.contract != ContextResolver.contract:
        raise OptionError(
            f"{type(resolver).__name__} was written for version {resolver.contract!r} of the resolver's contract, and "
            f"this ctxpolicy has version {ContextResolver.contract}: update whichever is the older, ctxpolicy or the "
            "package that the resolver comes from"
        )
    return resolver
