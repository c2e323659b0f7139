"""Run the benchmarks and show the table: ``python -m tests.benchmarks --help``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.measure import Effort, Measured
from tests.benchmarks.results import Results, figure, results
from tests.benchmarks.table import ROWS, as_markdown, as_text


def _main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    effort = Effort(options.seconds, options.many, options.jobs)
    if options.worker:
        print(json.dumps(ROWS[options.worker].measure(effort)))
        return 0
    measured = [] if options.read else [_measured(options.rows or list(ROWS), effort, options.processes)]
    all_results = [*map(Results.read, options.read), *measured]
    if options.json and measured:
        measured[0].write(options.json)
    print(as_markdown(all_results) if options.markdown else "\n\n".join(map(_titled, all_results)))
    return 0


def _parser() -> argparse.ArgumentParser:
    usual = Effort()
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure ctxpolicy on this Python as ratios. Several processes measure each row.",
    )
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", choices=[[], *ROWS], help=f"all, or some of: {', '.join(ROWS)}"
    )
    parser.add_argument("--processes", type=int, default=3, help="how many processes measure a row (default: 3)")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="per comparison (default: %(default)s)")
    parser.add_argument("--many", type=int, default=usual.many, help="contexts alive (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=usual.jobs, help="jobs to run (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to FILE")
    parser.add_argument("--markdown", action="store_true", help="print the README's table")
    parser.add_argument(
        "--read", type=Path, nargs="+", default=[], metavar="FILE",
        help="measure nothing; show results that --json wrote, for example those of several Pythons",
    )  # fmt: skip
    parser.add_argument("--worker", choices=ROWS, help=argparse.SUPPRESS)
    return parser


def _measured(names: list[str], effort: Effort, processes: int) -> Results:
    found: dict[str, list[Measured]] = {}
    for number in range(processes):  # in turns, so that a slow minute does not affect one row alone
        for name in names:
            why_not = ROWS[name].unavailable()
            if why_not is None:
                print(f"[{number + 1}/{processes}] {name}", file=sys.stderr)
                found.setdefault(name, []).append(_in_process_of_its_own(name, effort))
            elif number == 0:
                print(f"{name}: not measured, {why_not}", file=sys.stderr)
    return results({name: figure(ROWS[name], measured) for name, measured in found.items()})


def _in_process_of_its_own(name: str, effort: Effort) -> Measured:
    options = [f"--{field}={value}" for field, value in asdict(effort).items()]
    command = [sys.executable, "-m", "tests.benchmarks", f"--worker={name}", *options]
    return Measured(*json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))


def _titled(of_one_python: Results) -> str:
    about = ", ".join(f"{key}: {value}" for key, value in of_one_python.about.items())
    return f"{about}\n{as_text(of_one_python)}"


if __name__ == "__main__":
    sys.exit(_main())
