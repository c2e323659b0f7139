"""Carries the emulation over to the Python processes that a reshaped process starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ._reshape import EmulationError, activate

if TYPE_CHECKING:
    from collections.abc import Mapping

ASKED: Final = "CTXPOLICY_EMULATE_316"
_SITE: Final = str(Path(__file__).resolve().parent / "site")


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return environment variables with which a Python reshapes its asyncio when it starts.

    A Python that ignores them (``-I``, ``-E``) or its site module (``-S``) keeps its own asyncio.

    Args:
        base: the environment to extend; ``None``: the environment of this process.
    """
    result = dict(os.environ if base is None else base)
    others = [entry for entry in result.get("PYTHONPATH", "").split(os.pathsep) if entry not in ("", _SITE)]
    return {**result, ASKED: "1", "PYTHONPATH": os.pathsep.join([_SITE, *others])}


def activate_if_asked(environ: Mapping[str, str] | None = None) -> bool:
    """Reshape asyncio if ``CTXPOLICY_EMULATE_316`` is 1; return whether it is.

    Raises:
        EmulationError: asyncio cannot be reshaped, or the variable is neither empty, 0 nor 1.
    """
    asked = (os.environ if environ is None else environ).get(ASKED, "")
    if asked not in ("", "0", "1"):
        raise EmulationError(f"the environment variable {ASKED} must be 0 or 1, not {asked!r}")
    if asked == "1":
        activate()
    return asked == "1"
