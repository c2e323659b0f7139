"""Formats classes, callables, loops and errors for an explanation, even if their own code raises."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

__all__ = ["callable_name", "class_name", "formatted", "formatted_error", "formatted_repr"]


def formatted(text: Callable[[], str]) -> str:
    """Return the result of ``text()``. If it raises, as the code of a plugin may, return text that shows the error."""
    try:
        return text()
    except Exception as error:  # noqa: BLE001 - an explanation shows every error, and no error stops it
        return f"(cannot be formatted: {error!r})"


def formatted_repr(thing: object) -> str:
    """Return ``repr(thing)``, or text that shows its error."""
    return formatted(lambda: repr(thing))


def formatted_error(error: Exception) -> str:
    """Return the class and the message of an exception."""
    return f"{type(error).__name__}: {error}"


def class_name(kind: type) -> str:
    """Return the name of a class; with its module, unless the class belongs to ctxpolicy."""
    ours = kind.__module__.partition(".")[0] == "ctxpolicy"
    return kind.__qualname__ if ours else f"{kind.__module__}.{kind.__qualname__}"


def callable_name(function: Callable[..., Any]) -> str:
    """Return the full name of a function or method, or the ``repr`` of a callable without a name."""
    if isinstance(function, MethodType):
        return f"{class_name(type(function.__self__))}.{function.__name__}"
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    return f"{module}.{name}" if module and name else repr(function)
