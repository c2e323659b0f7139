"""A resolver with its options as the command line writes it: ``keyed:key=package.module:attribute,shared=true``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from ctxpolicy._cli.sys_path import ours_first
from ctxpolicy.errors import CtxPolicyError, OptionError, PluginError
from ctxpolicy.resolvers._entry_points import import_object, registered_resolvers
from ctxpolicy.resolvers._registry import get_resolver
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["SYNTAX", "maker_of"]

SYNTAX: Final = "NAME[:option=value,...]"
# The name may be package.module:attribute; what follows the next colon is options.
_SPEC: Final = re.compile(r"(?P<name>[^:=\s]+(?::[^:=\s]+)?)(?::(?P<options>\w+=.*))?", re.DOTALL)
_OPTION: Final = re.compile(r"""(?P<option>[^\W\d]\w*)=(?P<value>'[^']*'|"[^"]*"|[^,'"]*)(?P<more>,?)""")
_WORDS: Final = {"true": True, "false": False, "none": None}
_NUMBER: Final = re.compile(r"[+-]?\d+(?P<fraction>\.\d*)?")
_OBJECT: Final = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")


def maker_of(spec: str) -> Callable[[], ContextResolver]:
    """Import what ``spec`` names by its place, and return what makes the resolver that it describes.

    Args:
        spec: a registered name, or ``package.module:attribute`` of a factory; options after a colon. An option's value
            is ``true``, ``false``, ``none``, a number, the ``package.module:attribute`` of an object, or else text;
            in quotes it is text whatever it looks like.

    Raises:
        CtxPolicyError: it cannot be read or imported. What is returned raises it if the resolver cannot be made.
    """
    found = _SPEC.fullmatch(spec)
    if found is None:
        raise OptionError(f"{spec!r} is no resolver: write {SYNTAX}")
    name = found["name"]
    if ":" in name:
        _import_factory(name)
    options: dict[str, Any] = {}
    for option, value in _options(spec, found["options"] or ""):
        if option in options:
            raise OptionError(f"{spec!r} gives the option {option!r} twice")
        options[option] = _value(value, f"the option {option!r} of the resolver {name!r}")
    return partial(_made, name, options)


def _import_factory(name: str) -> None:
    try:
        import_object(name, "the resolver")
    except PluginError as error:
        first, _, rest = name.partition(":")
        with ours_first():
            registered = first in registered_resolvers()
        if registered:
            raise OptionError(f"{error}. If {rest!r} is an option of the resolver {first!r}: write {SYNTAX}") from error
        raise


def _made(name: str, options: dict[str, Any]) -> ContextResolver:
    try:
        return get_resolver(name, **options)
    except CtxPolicyError:
        raise
    except Exception as error:  # a plugin's factory may raise anything, about an option's value for one
        raise OptionError(f"the resolver {name!r} cannot be made: {type(error).__name__}: {error}") from error


def _options(spec: str, text: str) -> Iterator[tuple[str, str]]:
    at = 0
    more = ""
    while at < len(text) or more:
        found = _OPTION.match(text, at)
        if found is None or not (found["more"] or found.end() == len(text)):
            raise OptionError(f"{spec!r} cannot be read from {text[at:]!r} on: write {SYNTAX}")
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
