"""Records whether ``using`` was ever called in this process. Policies look overrides up only from then on."""

from __future__ import annotations

__all__ = ["enable_overrides", "overrides_enabled"]


class _Switch:
    enabled = False


def overrides_enabled() -> bool:
    """Return whether ``using`` was ever called in this process."""
    return _Switch.enabled


def enable_overrides() -> None:
    """Make every policy that is created from now on look overrides up."""
    _Switch.enabled = True
