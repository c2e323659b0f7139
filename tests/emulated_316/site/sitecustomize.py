"""Reshapes asyncio when Python starts with this folder on ``PYTHONPATH``, if ``CTXPOLICY_EMULATE_316`` is 1."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def _emulate() -> None:
    # Imported by its path, under another name: the tests folder must not become importable in every child process.
    spec = spec_from_file_location("emulated_316", _HERE.parent / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        module.activate_if_asked()
    except module.EmulationError as error:
        # An exception is not enough: site prints it and continues, and the process would run without the emulation.
        # (SystemExit ends CPython, after two tracebacks, but not PyPy.)
        sys.stderr.write(f"sitecustomize: {error}\n")
        sys.stderr.flush()
        os._exit(1)


def _run_shadowed() -> None:
    """Run the sitecustomize that Python would have found without this one."""
    path = [entry for entry in sys.path if Path(entry).resolve() != _HERE]
    spec = PathFinder.find_spec(__name__, path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


_emulate()
_run_shadowed()
