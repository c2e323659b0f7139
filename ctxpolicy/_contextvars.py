"""The one door to contextvars-extras: what ctxpolicy takes from it, and nothing else imports it.

The upstream project has been renamed to contextvars-registry and is quiet; to replace it, replace this module.
"""

from __future__ import annotations

from contextvars_extras import ContextVarExt, ContextVarsRegistry
from contextvars_extras.context_management import (
    bind_to_empty_context,
    bind_to_sandbox_context,
    bind_to_snapshot_context,
)

__all__ = [
    "ContextVarExt",
    "ContextVarsRegistry",
    "bind_to_empty_context",
    "bind_to_sandbox_context",
    "bind_to_snapshot_context",
]
