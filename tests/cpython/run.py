"""Run CPython's own asyncio tests with ContextPolicy as asyncio's default policy, and compare.

Every test module of `test.test_asyncio` runs in its own processes: once without ctxpolicy (the reference), and once
for each resolver. A test is doubtful if it passes in the reference and fails, or does not run, with a resolver. The
module of a doubtful test runs again, several times with the resolver and several times without. A test that fails
again, and only with the resolver, is a difference, and the exit status is 1. Any other doubtful test is reported as
unstable.

The reference changes only with the Python and its tests. `--reference FOLDER` keeps it from run to run.

Exit status: 0 no difference, 1 differences, 2 wrong usage, 77 this Python comes without `test.test_asyncio`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
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
LIMIT = 300  # seconds for one module: the slowest takes 40 s, and 80 s on a busy machine
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
    """One test module, under one resolver (`None`: without ctxpolicy, which is the reference)."""

    module: str
    resolver: str | None


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job.

    Attributes:
        results: the result of each test.
        success: whether the test runner reported success.
        output: all that the test runner printed.
    """

    results: dict[str, str]
    success: bool
    output: str

    def problems(self, job: Job, reference: Outcome) -> set[str]:
        """Return the tests that passed in the reference and did not pass here; a test that is absent did not pass.

        If no test failed but the test runner reported a failure, return the name of the module.
        """
        passed = {test for test, result in reference.results.items() if result == "passed"}
        bad = {test for test in passed if self.results.get(test) not in ("passed", "skipped")}
        return bad or ({job.module} if reference.success and not self.success else set())


class Reference:
    """Keeps the outcomes of modules without ctxpolicy, in a folder, for one Python and one version of its tests.

    Args:
        folder: the folder for all Pythons; `None` keeps nothing.
        files: the files of the test package.
    """

    def __init__(self, folder: Path | None, files: list[Path]) -> None:
        digest = hashlib.sha256(f"{sys.version}\n{sys.executable}".encode())
        for file in sorted(files):
            digest.update(file.name.encode() + file.read_bytes())
        self._folder = folder and folder / digest.hexdigest()[:16]

    def perform(self, job: Job) -> Outcome:
        """Run a job; if it is a reference job whose outcome is kept, return that outcome."""
        if job.resolver is not None or self._folder is None:
            return perform(job)
        kept = self._folder / f"{job.module}.json"
        if kept.exists():
            return Outcome(**json.loads(kept.read_text(encoding="utf-8")))
        outcome = perform(job)
        # If a test fails in the reference, its failure with a resolver is no difference. Therefore a failure that
        # happens only sometimes must not be kept.
        if outcome.success:
            self._folder.mkdir(parents=True, exist_ok=True)
            new = kept.with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps(vars(outcome)), encoding="utf-8")
            new.replace(kept)
        return outcome


def module_files() -> list[Path]:
    """Return the files of asyncio's test modules, the largest first, because they take longest."""
    spec = importlib.util.find_spec("test")
    for folder in spec.submodule_search_locations or () if spec else ():
        files = sorted(Path(folder, "test_asyncio").glob("test_*.py"), key=lambda file: -file.stat().st_size)
        if files:
            return files
    return []


def environment(resolver: str | None) -> dict[str, str]:
    """Return the environment in which the default policy of a Python uses this resolver."""
    env = {name: value for name, value in os.environ.items() if name != "CTXPOLICY_DEFAULT_RESOLVER"}
    if resolver is not None:
        paths = [str(HERE / "default_policy"), env.get("PYTHONPATH", "")]
        env |= {"CTXPOLICY_DEFAULT_RESOLVER": resolver, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return env


def result_of(case: ET.Element) -> str:
    """Return the result of a JUnit test case."""
    return next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")


def perform(job: Job) -> Outcome:
    """Run a job in its own process, in an empty folder."""
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
            return Outcome({}, success=False, output=f"{output!r}\nended after {LIMIT} s")
        cases = ET.parse(report).getroot().iter("testcase") if report.exists() else ()
        return Outcome({case.get("name", "?"): result_of(case) for case in cases}, done.returncode == 0, done.stdout)


@dataclass(frozen=True)
class Verdict:
    """The comparison of a module's run under a resolver with the reference, after the doubtful tests ran again.

    Attributes:
        module: the module.
        resolver: the resolver.
        tests: how often each doubtful test failed: with the resolver, without.
        output: what the test runner printed with the resolver.
    """

    module: str
    resolver: str
    tests: dict[str, tuple[int, int]]
    output: str

    @property
    def differences(self) -> list[str]:
        """The tests that failed with the resolver more than once, and never without."""
        return [test for test, (ours, theirs) in self.tests.items() if ours > 1 and not theirs]

    @property
    def unstable(self) -> list[str]:
        """The other doubtful tests."""
        return [test for test in self.tests if test not in self.differences]


def judge(job: Job, outcome: Outcome, reference: Outcome) -> Verdict | None:
    """Compare a resolver's outcome with the reference; if a test is doubtful, run the module again both ways.

    The whole module runs again, because a test may fail only after other tests.
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


def compare(names: list[str], resolvers: list[str], workers: int, reference: Reference) -> list[Verdict]:
    """Run every module with every resolver and without, print the counts, and return the verdicts on differences."""
    jobs = [Job(module, resolver) for module in names for resolver in (None, *resolvers)]
    with ThreadPoolExecutor(workers) as pool:
        outcomes = dict(zip(jobs, pool.map(reference.perform, jobs), strict=True))
    for resolver in (None, *resolvers):
        counts = Counter(
            r for job, outcome in outcomes.items() if job.resolver == resolver for r in outcome.results.values()
        )
        print(f"{resolver or 'without':>12}: " + ", ".join(f"{counts[key]} {key}" for key in sorted(counts)))
    verdicts = (judge(job, outcomes[job], outcomes[Job(job.module, None)]) for job in jobs if job.resolver is not None)
    return [verdict for verdict in verdicts if verdict is not None]


def report(verdicts: list[Verdict]) -> int:
    """Print the differences and the unstable tests, and return the number of differences."""
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
    """Exit unless the default policy of a Python that is started for this resolver uses it.

    Raises:
        SystemExit: with status 2, because the tests would not test the resolver.
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
    parser.add_argument("--reference", type=Path, metavar="FOLDER", help="keep the results without ctxpolicy there")
    parser.add_argument("module", nargs="*", help="for example test_asyncio.test_events (default: all)")
    arguments = parser.parse_args()
    # If this program was started in the background, SIGINT is ignored. Tests that inherit that hang.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    if not (files := module_files()):
        print(f"{python}: no test package ({PACKAGE}) is installed: nothing was run")
        return NO_TEST_PACKAGE
    resolvers = arguments.resolver or list(RESOLVERS)
    for resolver in resolvers:
        check(resolver)
    print(f"{python}: {PACKAGE}")
    names = arguments.module or [f"test_asyncio.{file.stem}" for file in files]
    different = report(compare(names, resolvers, arguments.jobs, Reference(arguments.reference, files)))
    print(f"{python}: {PACKAGE} with {', '.join(resolvers)}: {different} differences")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
