"""The one door to contextvars-extras: what ctxpolicy takes from it, and nothing else imports it.

The upstream project has been renamed to contextvars-registry and is quiet; to replace it, replace this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The package is not typed throughout. This is what we take, and how it is meant.
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from contextvars import ContextVar, Token
    from typing import Any, Generic, TypeVar

    R = TypeVar("R")
    T = TypeVar("T")

    class ContextVarExt(Generic[T]):
        """A context variable whose methods are the C ones of :class:`contextvars.ContextVar`."""

        context_var: ContextVar[T]

        def __init__(self, name: str, default: T) -> None: ...
        def get_raw(self) -> T: ...
        def set(self, value: T) -> Token[T]: ...
        def reset(self, token: Token[T]) -> None: ...

    class ContextVarsRegistry:
        """Attributes that are context variables; calling one sets several of them for a ``with`` block."""

        def __call__(self, **values: Any) -> AbstractContextManager[Any]: ...

    # Both take functions of arguments, but what the second one of 0.7.0 returns loses the positional ones.
    def bind_to_empty_context(fn: Callable[[], R]) -> Callable[[], R]: ...
    def bind_to_snapshot_context(fn: Callable[[], R]) -> Callable[[], R]: ...

else:
    from contextvars_extras import ContextVarExt, ContextVarsRegistry
    from contextvars_extras.context_management import bind_to_empty_context, bind_to_snapshot_context

__all__ = ["ContextVarExt", "ContextVarsRegistry", "bind_to_empty_context", "bind_to_snapshot_context"]
