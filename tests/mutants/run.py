"""Mutate modules with Cosmic Ray, and list the mutants that no test kills: `run.py COPY MODULE...`.

COPY is a copy of the repository: its files are changed. Each module has a Cosmic Ray session of its own, which is kept
in COPY. A MODULE may be a folder. Exit status: the number of modules with survivors, at most 100.

Before the first mutant, all tests run once, and coverage records which tests run which line. A mutant is then tried by
the tests that run its line, and a survivor also by all tests of its folder (`try_mutant.py`).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from try_mutant import ORIGINALS, TRACE

FOLDERS = ("ctxpolicy/_loops", "ctxpolicy/resolvers", "ctxpolicy/_policy", "ctxpolicy/_bridge")
# The tests that are traced. The others start programs of their own, whose lines the trace does not see.
TRACED = (
    *("_asyncio", "_bridge", "_explain", "_lifetime", "_loops", "_policy", "_pytest"),
    *("contract", "resolvers", "testing"),
)
# Cosmic Ray replaces each operator by every other one. One of these mutants shows as much as all of them.
BINARY = ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_Mul", "BitAnd_BitOr")
COMPARISONS = (
    "Is_IsNot",
    "IsNot_Is",
    "Eq_NotEq",
    "NotEq_Eq",
    "Lt_LtE",
    "LtE_Lt",
    "Gt_GtE",
    "GtE_Gt",
    "In_NotIn",
    "NotIn_In",
)
EXCLUDED = [
    # `X | Y` occurs only in annotations, which nothing evaluates.
    rf"core/ReplaceBinaryOperator_(?!({'|'.join(BINARY)})$)",
    rf"core/ReplaceComparisonOperator_(?!({'|'.join(COMPARISONS)})$)",
]
MUTANT_SECONDS = 600


def main(copy: str, *paths: str) -> int:
    """Mutate every module."""
    repository = Path(copy)
    trace(repository)
    found = [module for path in paths or FOLDERS for module in modules(path)]
    return min(sum(mutate(module, repository) > 0 for module in found), 100)


def trace(copy: Path) -> None:
    """Run the tests once, and record which of them run which line. Does nothing if this was done before."""
    if (copy / TRACE).exists():
        return
    shutil.copytree(copy / "ctxpolicy", copy / ORIGINALS / "ctxpolicy")
    configuration = copy / "trace.toml"
    configuration.write_text(
        f'[tool.coverage.run]\nsource = ["ctxpolicy"]\ndata_file = "{TRACE}"\nconcurrency = ["thread", "greenlet"]\n',
        encoding="utf-8",
    )
    options = ["--cov", f"--cov-config={configuration}", "--cov-context=test", "--cov-report="]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider", *options]
    subprocess.run([*command, *(f"tests/{folder}" for folder in TRACED)], cwd=copy, check=True)


def mutate(module: str, copy: Path) -> int:
    """Run all mutants of a module, print the survivors with their diffs, and return how many there are."""
    name = module.removesuffix(".py").replace("/", ".")
    config, session = copy / f"mutants-{name}.toml", copy / f"mutants-{name}.sqlite"
    config.write_text(configuration(module), encoding="utf-8")
    if not session.exists():  # otherwise continue the run that was stopped
        cosmic_ray("cosmic-ray", "init", config, session, cwd=copy)
        cosmic_ray("cr-filter-operators", session, config, cwd=copy)
    cosmic_ray("cosmic-ray", "exec", config, session, cwd=copy)
    killed, survivors = 0, 0
    for mutation, result in outcomes(session, copy):
        if result["test_outcome"] == "survived":
            survivors += 1
            print(f"\n--- survived: {mutation['operator_name']}, occurrence {mutation['occurrence']}\n{result['diff']}")
        elif result["test_outcome"] == "killed":
            killed += 1
    print(f"{module}: {killed} killed, {survivors} survived", flush=True)
    return survivors


def configuration(module: str) -> str:
    """Return the configuration of Cosmic Ray for a module."""
    command = [sys.executable, "tests/mutants/try_mutant.py", module]
    return f"""
[cosmic-ray]
module-path = {json.dumps(module)}
timeout = {MUTANT_SECONDS}
excluded-modules = []
test-command = {json.dumps(" ".join(command))}

[cosmic-ray.distributor]
name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = {json.dumps(EXCLUDED)}
"""


def cosmic_ray(program: str, *arguments: Path | str, cwd: Path) -> str:
    """Run one of Cosmic Ray's programs in the copy, and return what it prints."""
    command = [str(Path(sys.executable).with_name(program)), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


def outcomes(session: Path, copy: Path) -> Iterator[tuple[dict[str, object], dict[str, object]]]:
    """Yield each mutation that ran, and its result."""
    for line in cosmic_ray("cosmic-ray", "dump", session, cwd=copy).splitlines():
        item, result = json.loads(line)
        if result is not None:
            yield item["mutations"][0], result


def modules(path: str) -> list[str]:
    """Return the modules in a folder, or the one module."""
    if path.endswith(".py"):
        return [path]
    return sorted(str(file) for file in Path(path).glob("*.py") if file.name != "__init__.py")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
