"""The only module that imports contextvars-extras.

The upstream project was renamed to contextvars-registry, and is hardly maintained. To replace the dependency, replace
this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The package is not completely typed. These are the types of the names that this module imports.
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from contextvars import ContextVar, Token
    from typing import Any, Generic, TypeVar

    R = TypeVar("R")
    T = TypeVar("T")

    class ContextVarExt(Generic[T]):
        """A context variable. Its methods are the C methods of :class:`contextvars.ContextVar`."""

        context_var: ContextVar[T]

        def __init__(self, name: str, default: T) -> None: ...
        def get_raw(self) -> T: ...
        def set(self, value: T) -> Token[T]: ...
        def reset(self, token: Token[T]) -> None: ...

    class ContextVarsRegistry:
        """An object whose attributes are context variables. Calling it sets several of them for a ``with`` block."""

        def __call__(self, **values: Any) -> AbstractContextManager[Any]: ...

    # Both functions accept a function with arguments. But in 0.7.0 the result of the second function drops its
    # positional arguments. Therefore the types do not allow arguments.
    def bind_to_empty_context(fn: Callable[[], R]) -> Callable[[], R]: ...
    def bind_to_snapshot_context(fn: Callable[[], R]) -> Callable[[], R]: ...

else:
    from contextvars_extras import ContextVarExt, ContextVarsRegistry
    from contextvars_extras.context_management import bind_to_empty_context, bind_to_snapshot_context

__all__ = ["ContextVarExt", "ContextVarsRegistry", "bind_to_empty_context", "bind_to_snapshot_context"]
