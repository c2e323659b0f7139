"""Run CPython's own asyncio tests with ContextPolicy as asyncio's default policy, and compare.

Every test module of `test.test_asyncio` is run in processes of its own: without ctxpolicy (the reference), and once
for each resolver. Where a test fails, or does not run, with a resolver but passes in the reference, its module is run
again, several times both ways. A test that fails again, and with the resolver only, is a difference, and the exit
status is 1; any other is named as unstable.

Exit status: 0 no difference, 1 differences, 2 wrong usage, 77 this Python comes without `test.test_asyncio`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

HERE = Path(__file__).parent
PACKAGE = "test.test_asyncio"
NO_TEST_PACKAGE = 77
RESOLVERS = ("contextvar", "thread")
RERUNS = 3
LIMIT = 300  # seconds for one module: the slowest takes 40, twice that on a busy machine
PROBE = """
import asyncio.events as events, ctxpolicy
get = getattr(events, "_get_event_loop_policy", None) or events.get_event_loop_policy
set = getattr(events, "_set_event_loop_policy", None) or events.set_event_loop_policy
assert isinstance(get(), ctxpolicy.ContextPolicy), get()
set(None)
assert isinstance(get(), ctxpolicy.ContextPolicy), get()
"""


@dataclass(frozen=True)
class Job:
    """One test module, under one resolver (`None`: without ctxpolicy)."""

    module: str
    resolver: str | None


@dataclass(frozen=True)
class Outcome:
    """What became of a job: each test's result, and whether the test runner as a whole was content."""

    results: dict[str, str]
    content: bool
    output: str

    def problems(self, job: Job, reference: Outcome) -> set[str]:
        """Return the tests that passed in the reference and here did not, absent ones included.

        Where it is only the test runner that complains, this is the name of the module.
        """
        passed = {test for test, result in reference.results.items() if result == "passed"}
        bad = {test for test in passed if self.results.get(test) not in ("passed", "skipped")}
        return bad or ({job.module} if reference.content and not self.content else set())


def modules() -> list[str]:
    """Return the names of asyncio's test modules, the largest first, as they take longest."""
    spec = importlib.util.find_spec("test")
    for folder in spec.submodule_search_locations or () if spec else ():
        files = sorted(Path(folder, "test_asyncio").glob("test_*.py"), key=lambda file: -file.stat().st_size)
        if files:
            return [f"test_asyncio.{file.stem}" for file in files]
    return []


def environment(resolver: str | None) -> dict[str, str]:
    """Return the environment in which a Python has this resolver's policy as its default."""
    env = {name: value for name, value in os.environ.items() if name != "CTXPOLICY_DEFAULT_RESOLVER"}
    if resolver is not None:
        paths = [str(HERE / "default_policy"), env.get("PYTHONPATH", "")]
        env |= {"CTXPOLICY_DEFAULT_RESOLVER": resolver, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return env


def result_of(case: ET.Element) -> str:
    """Return a JUnit test case's result."""
    return next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")


def perform(job: Job) -> Outcome:
    """Run a job in a process of its own, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        try:
            done = subprocess.run(
                [sys.executable, "-m", "test", "-v", "--junit-xml", str(report), job.module],
                env=environment(job.resolver),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                errors="replace",
                timeout=LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            output = expired.stdout or b""
            return Outcome({}, content=False, output=f"{output!r}\nended after {LIMIT} s")
        cases = ET.parse(report).getroot().iter("testcase") if report.exists() else ()  # a report of our own making
        return Outcome({case.get("name", "?"): result_of(case) for case in cases}, done.returncode == 0, done.stdout)


@dataclass(frozen=True)
class Verdict:
    """What a resolver's run of a module showed beside the reference, after the doubtful tests ran again."""

    module: str
    resolver: str
    tests: dict[str, tuple[int, int]]  # how often each failed: with the resolver, without
    output: str

    @property
    def differences(self) -> list[str]:
        """The tests that fail with the resolver only, and not just once."""
        return [test for test, (ours, theirs) in self.tests.items() if ours > 1 and not theirs]

    @property
    def unstable(self) -> list[str]:
        """The other ones that failed."""
        return [test for test in self.tests if test not in self.differences]


def judge(job: Job, outcome: Outcome, reference: Outcome) -> Verdict | None:
    """Compare a resolver's outcome with the reference; run the module again, both ways, where something is doubtful.

    The whole module, as a test may fail only after the ones before it.
    """
    doubtful = outcome.problems(job, reference)
    if not doubtful:
        return None
    assert job.resolver is not None
    ours, theirs = Counter[str](doubtful), Counter[str]()
    for _ in range(RERUNS):
        ours.update(perform(job).problems(job, reference))
        theirs.update(perform(Job(job.module, None)).problems(job, reference))
    tests = {test: (ours[test], theirs[test]) for test in sorted(ours)}
    return Verdict(job.module, job.resolver, tests, outcome.output)


def compare(names: list[str], resolvers: list[str], workers: int) -> list[Verdict]:
    """Run every module under every resolver and without, print the counts, and return what differed."""
    jobs = [Job(module, resolver) for module in names for resolver in (None, *resolvers)]
    with ThreadPoolExecutor(workers) as pool:
        outcomes = dict(zip(jobs, pool.map(perform, jobs), strict=True))
    for resolver in (None, *resolvers):
        counts = Counter(
            r for job, outcome in outcomes.items() if job.resolver == resolver for r in outcome.results.values()
        )
        print(f"{resolver or 'without':>12}: " + ", ".join(f"{counts[key]} {key}" for key in sorted(counts)))
    verdicts = (judge(job, outcomes[job], outcomes[Job(job.module, None)]) for job in jobs if job.resolver is not None)
    return [verdict for verdict in verdicts if verdict is not None]


def report(verdicts: list[Verdict]) -> int:
    """Print what differed and what was unstable, and return how many differences there are."""
    for verdict in verdicts:
        if verdict.differences:
            print(f"\n--- {verdict.module} with {verdict.resolver}, the whole output\n{verdict.output}")
    for verdict in verdicts:
        for kind, tests in (("DIFFERENCE", verdict.differences), ("unstable", verdict.unstable)):
            for test in tests:
                ours, theirs = verdict.tests[test]
                print(f"{kind}: {test} with {verdict.resolver}: failed {ours} of {RERUNS + 1} times, without {theirs}")
    return sum(len(verdict.differences) for verdict in verdicts)


def check(resolver: str) -> None:
    """Exit unless a Python started for this resolver really has its policy as the default.

    Raises:
        SystemExit: with status 2, as the tests would not test it.
    """
    probe = subprocess.run([sys.executable, "-W", "ignore", "-c", PROBE], env=environment(resolver), check=False)
    if probe.returncode:
        print(f"resolver {resolver!r} does not become the default policy here", file=sys.stderr)
        raise SystemExit(2)


def main() -> int:
    """Run the tests that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resolver", action="append", metavar="NAME", help=f"default: {' and '.join(RESOLVERS)}")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="modules at a time")
    parser.add_argument("module", nargs="*", help="for example test_asyncio.test_events (default: all)")
    arguments = parser.parse_args()
    # Started in the background this program may ignore SIGINT, and so would the tests, which then hang.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    if not (found := modules()):
        print(f"{python}: no test package ({PACKAGE}) is installed: nothing was run")
        return NO_TEST_PACKAGE
    resolvers = arguments.resolver or list(RESOLVERS)
    for resolver in resolvers:
        check(resolver)
    print(f"{python}: {PACKAGE}")
    different = report(compare(arguments.module or found, resolvers, arguments.jobs))
    print(f"{python}: {PACKAGE} with {', '.join(resolvers)}: {different} differences")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
