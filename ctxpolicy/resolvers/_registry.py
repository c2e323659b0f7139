"""Makes resolvers by name: the built-in ones, and those that distributions register as entry points."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ctxpolicy.errors import OptionError, UnknownNameError
from ctxpolicy.resolvers._entry_points import import_factory, registered_resolvers
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["chain", "get_resolver", "make_resolver", "shared_resolver"]


def get_resolver(name: str, /, **options: Any) -> ContextResolver:
    """Make a new resolver, given its name.

    Args:
        name: a registered name, or the ``"package.module:attribute"`` of a factory.
        options: the arguments of the factory (``key`` for ``"keyed"``).

    Raises:
        UnknownNameError: no resolver is registered by this name.
        PluginError: the factory cannot be imported, or two distributions register the name.
        OptionError: an option is missing or unknown, or the result of the factory is not a resolver.
    """
    if not isinstance(name, str):
        raise OptionError(f"a resolver's name must be a string, not {name!r}")
    if ":" in name:
        return _make(name, import_factory(name, "the resolver"), options)
    known = registered_resolvers()
    if name not in known:
        raise UnknownNameError(
            f"no resolver is called {name!r}; there are: {', '.join(known)}; or give 'package.module:attribute'"
        )
    return _make(name, known[name].load(), options)


def make_resolver(what: ContextResolver | str) -> ContextResolver:
    """Return ``what`` if it is a resolver, else a new resolver of that name.

    Raises:
        OptionError: ``what`` is neither a resolver nor a name, or the resolver was written for another version of the
            contract.
        CtxPolicyError: the errors of :func:`get_resolver`.
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
    """Return ``what`` if it is a resolver, else the one resolver of that name that the whole process shares.

    Each ``contextvar`` resolver has variables of its own, and a contextvars context never forgets a variable. Therefore
    code that passes a name a hundred thousand times must not make a hundred thousand resolvers.
    """
    if not isinstance(what, str):
        return make_resolver(what)
    if what not in _shared:
        _shared.setdefault(what, make_resolver(what))
    return _shared[what]


def chain(resolvers: str | Iterable[ContextResolver | str]) -> ContextResolver:
    """A context is the context of the first resolver that applies here.

    Args:
        resolvers: resolvers or names of resolvers, in order; or one string of names joined by ``+``, such as
            ``"task+thread"``.
    """
    from ctxpolicy.resolvers.chain import ChainResolver

    if not isinstance(resolvers, Iterable):
        raise OptionError(f"resolvers must be resolvers or their names, as in 'task+thread', not {resolvers!r}")
    members = resolvers.split("+") if isinstance(resolvers, str) else resolvers
    return ChainResolver(*(make_resolver(member) for member in members))


def _make(name: str, factory: Callable[..., ContextResolver], options: Mapping[str, Any]) -> ContextResolver:
    _check_options(name, factory, options)
    resolver = factory(**options)
    if not isinstance(resolver, ContextResolver):
        raise OptionError(f"the factory of the resolver {name!r} made {resolver!r}, which is no ContextResolver")
    return _checked(resolver)


def _check_options(name: str, factory: Callable[..., ContextResolver], options: Mapping[str, Any]) -> None:
    try:
        signature = _signature(factory)
    except ValueError:  # some callables written in C have no signature; the call itself then raises
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
        return inspect.Signature()  # not the signature of ContextResolver.__new__(), which accepts any arguments
    return inspect.signature(factory)


def _checked(resolver: ContextResolver) -> ContextResolver:
    if resolver.contract != ContextResolver.contract:
        raise OptionError(
            f"{type(resolver).__name__} was written for version {resolver.contract!r} of the resolver's contract, and "
            f"this ctxpolicy has version {ContextResolver.contract}: update whichever is the older, ctxpolicy or the "
            "package that the resolver comes from"
        )
    return resolver
