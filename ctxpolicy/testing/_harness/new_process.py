"""Runs tests of a contract in a new process, to use an interpreter option, or because a fork is safe there."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import subprocess
import sys
import unittest
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from ctxpolicy.testing._errors import BrokenLawError, DescriptionError
from ctxpolicy.testing._harness.description import Description

__all__ = ["main", "run_elsewhere"]

_PROGRAM: Final = "from ctxpolicy.testing._harness.new_process import main; main()"
_TOO_LONG: Final = 120.0  # seconds; long enough for a slow machine, so that only a hang exceeds it


def run_elsewhere(description: Description, tests: Sequence[str], *options: str) -> None:
    """Call methods of ``description``'s class in a new interpreter.

    Args:
        description: the description. Its class must be importable by its name.
        tests: the names of the methods. The methods take no arguments.
        options: command-line options for the interpreter.

    Raises:
        BrokenLawError: one of the methods raised it in the new process.
    """
    __tracebackhide__ = True
    ended = subprocess.run(  # noqa: S603 - this interpreter, and a fixed program
        [sys.executable, *options, "-c", _PROGRAM],
        input=json.dumps(_job(type(description), tests)),
        capture_output=True,
        text=True,
        timeout=_TOO_LONG,
        check=False,
    )
    if ended.returncode == 0 and not ended.stdout:
        return
    if ended.returncode or not ended.stdout.startswith("{"):
        raise RuntimeError(f"{' '.join(tests)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    report: dict[str, Any] = json.loads(ended.stdout)
    kind = DescriptionError if report["description"] else BrokenLawError
    raise kind(report["law"], f"in a process of its own ({' '.join(options) or 'no options'}): {report['message']}")


def main() -> None:
    """Read the job from standard input, run its tests, and write the first broken law to standard output."""
    job = json.load(sys.stdin)
    sys.path[:] = job["path"]
    contract: Any = _module(job["module"], job["file"])
    for part in job["class"].split("."):
        contract = getattr(contract, part)
    for test in job["tests"]:
        description = contract(test) if issubclass(contract, unittest.TestCase) else contract()
        try:
            getattr(description, test)()
        except BrokenLawError as error:
            wrong = isinstance(error, DescriptionError)
            sys.stdout.write(json.dumps({"law": error.law, "message": str(error), "description": wrong}))
            return


def _job(contract: type, tests: Sequence[str]) -> dict[str, Any]:
    if "<locals>" in contract.__qualname__:
        raise TypeError(
            f"{contract.__qualname__} is made in a function, and cannot be imported in a process of its own, as the "
            "tests of forks and of -X thread_inherit_context do: put the class at the top level of its module"
        )
    return {
        "path": sys.path,
        "module": contract.__module__,
        "file": inspect.getsourcefile(contract),
        "class": contract.__qualname__,
        "tests": list(tests),
    }


def _module(name: str, file: str) -> ModuleType:
    """Import the module by its name; if no module or another module has that name, import it from its file."""
    return _by_name(name, file) or _in_its_package(name, file) or _by_file(name, file)


def _by_name(name: str, file: str) -> ModuleType | None:
    if name == "__main__" or importlib.util.find_spec(name.partition(".")[0]) is None:
        return None
    try:
        found = importlib.import_module(name)
    except ModuleNotFoundError:
        return None
    return found if getattr(found, "__file__", None) == file else None


def _in_its_package(name: str, file: str) -> ModuleType | None:
    """Import the module by name from its package's folder: pytest's importlib mode does not use ``sys.path``."""
    path, parts = Path(file).with_suffix(""), tuple(name.split("."))
    if len(parts) == 1 or path.parts[-len(parts) :] != parts:
        return None
    for other in [each for each in sys.modules if each.partition(".")[0] == parts[0]]:
        del sys.modules[other]
    sys.path.insert(0, str(path.parents[len(parts) - 1]))
    return _by_name(name, file)


def _by_file(name: str, file: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("contract_elsewhere", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"the module {name} cannot be imported from {file!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
