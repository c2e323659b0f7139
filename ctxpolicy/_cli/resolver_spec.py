"""Parses a resolver with options from the command line, such as ``keyed:key=package.module:attribute,shared=true``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from ctxpolicy._cli.sys_path import program_folder_last
from ctxpolicy.errors import CtxPolicyError, OptionError, PluginError
from ctxpolicy.resolvers._entry_points import import_object, registered_resolvers
from ctxpolicy.resolvers._registry import get_resolver
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["SYNTAX", "resolver_factory"]

SYNTAX: Final = "NAME[:option=value,...]"
# The name may be package.module:attribute. The options follow the next colon.
_SPEC: Final = re.compile(r"(?P<name>[^:=\s]+(?::[^:=\s]+)?)(?::(?P<options>\w+=.*))?", re.DOTALL)
_OPTION: Final = re.compile(r"""(?P<option>[^\W\d]\w*)=(?P<value>'[^']*'|"[^"]*"|[^,'"]*)(?P<more>,?)""")
_WORDS: Final = {"true": True, "false": False, "none": None}
_NUMBER: Final = re.compile(r"[+-]?\d+(?P<fraction>\.\d*)?")
_OBJECT: Final = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")


def resolver_factory(spec: str) -> Callable[[], ContextResolver]:
    """Import the objects that ``spec`` names, and return a function that makes the resolver.

    Args:
        spec: A registered name, or the ``package.module:attribute`` of a factory; after a further colon, the options.
            The value of an option is ``true``, ``false``, ``none``, a number, the ``package.module:attribute`` of an
            object, or else text. A value in quotes is always text.

    Raises:
        CtxPolicyError: If ``spec`` cannot be parsed, or an object in it cannot be imported. The returned function
            raises it if the resolver cannot be made.
    """
    found = _SPEC.fullmatch(spec)
    if found is None:
        raise OptionError(f"{spec!r} is not a resolver; write {SYNTAX}")
    name = found["name"]
    if ":" in name:
        _import_factory(name)
    options: dict[str, Any] = {}
    for option, value in _options(spec, found["options"] or ""):
        if option in options:
            raise OptionError(f"{spec!r} gives the option {option!r} twice")
        options[option] = _value(value, f"the option {option!r} of the resolver {name!r}")
    return partial(_make_resolver, name, options)


def _import_factory(name: str) -> None:
    try:
        import_object(name, "the resolver")
    except PluginError as error:
        first, _, rest = name.partition(":")
        with program_folder_last():
            registered = first in registered_resolvers()
        if registered:
            raise OptionError(f"{error}. If {rest!r} is an option of the resolver {first!r}, write {SYNTAX}") from error
        raise


def _make_resolver(name: str, options: dict[str, Any]) -> ContextResolver:
    try:
        return get_resolver(name, **options)
    except CtxPolicyError:
        raise
    except Exception as error:  # a plugin's factory may raise anything, for example about the value of an option
        raise OptionError(f"the resolver {name!r} cannot be made: {type(error).__name__}: {error}") from error


def _options(spec: str, text: str) -> Iterator[tuple[str, str]]:
    at = 0
    more = ""
    while at < len(text) or more:
        found = _OPTION.match(text, at)
        if found is None or not (found["more"] or found.end() == len(text)):
            raise OptionError(f"{spec!r} cannot be parsed from {text[at:]!r} on; write {SYNTAX}")
        yield found["option"], found["value"]
        at, more = found.end(), found["more"]


def _value(text: str, what: str) -> Any:
    if text[:1] in ("'", '"'):
        return text[1:-1]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    number = _NUMBER.fullmatch(text)
    if number is not None:
        return float(text) if number["fraction"] else int(text)
    return import_object(text, what) if _OBJECT.fullmatch(text) else text
