"""The project's checks, one session each: `nox -l` lists them, `nox -s tests-3.13` runs one."""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
CPYTHONS = nox.project.python_versions(PYPROJECT)
PYPY = "Programming Language :: Python :: Implementation :: PyPy" in PYPROJECT["project"]["classifiers"]
PYTHONS = [*CPYTHONS, *(["pypy3"] if PYPY else [])]
# The checks that look at the code, not at what a Python does with it, run on one.
ONE_PYTHON = "3.11"
# Between them they take every way through the code that depends on the Python. It takes twice as long to measure. (3.11
# never ends now and then: traced, it spins where a finalizer runs in a pending call, as greenlet has it.)
MEASURED = ("3.10", "3.13", "3.15")
STRESS = "tests/stress"
OLDEST_PYTEST = "pytest==8.3.*"  # that the extra `testing` allows
NO_TEST_PACKAGE = 77  # what tests/cpython/run.py exits with where a Python comes without its tests
TYPED = ("ctxpolicy", "tests/typing")
TYPED_FOR = (CPYTHONS[0], CPYTHONS[-1])

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_external_run = True


def group(name: str) -> tuple[str, ...]:
    """Return the requirements of one dependency group."""
    return nox.project.dependency_groups(PYPROJECT, name)


def pytest(session: nox.Session, *options: str, measured: bool = False) -> None:
    """Run tests; those that fail once more by themselves, as CPython's test runner does.

    A busy machine makes some fail now and then. The log says which, and what fails twice fails.
    """
    command = ["coverage", "run"] if measured else ["python"]
    command += ["-m", "pytest", "-o", f"cache_dir={Path(session.create_tmp()).resolve() / 'pytest_cache'}", *options]
    try:
        session.run(*command, "-n", "auto", "--cache-clear", *session.posargs)
    except nox.command.CommandFailed:
        session.warn("some tests failed; once more, by themselves:")
        session.run(*command, "--last-failed", "--last-failed-no-failures=none", *session.posargs)


def measured_pytest(session: nox.Session) -> None:
    """Run the tests, and measure what they cover; but for those that count objects, as measuring makes some."""
    pytest(session, f"--ignore={STRESS}", measured=True)
    if not session.posargs:
        pytest(session, STRESS)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests, and on some Pythons measure what they cover (session `coverage` adds it up)."""
    session.install("-e", ".[tests]")
    if session.python in MEASURED:
        measured_pytest(session)
    else:
        pytest(session)


@nox.session(python=[python for python in CPYTHONS if int(python.split(".")[1]) >= 14])
def emulated_316(session: nox.Session) -> None:
    """Run the tests on an asyncio without policies, as 3.16 has it."""
    session.install("-e", ".[tests]")
    pytest(session, "-p", "tests.emulated_316.plugin")


@nox.session(python=CPYTHONS)
def plugin_alone(session: nox.Session) -> None:
    """Run the tests of what authors of tests use, beside pytest, hypothesis and pytest-xdist only.

    On one Python those of what authors of resolvers use too; on the oldest with the oldest pytest.
    """
    oldest = [OLDEST_PYTEST] if session.python == CPYTHONS[0] else []
    session.install("-e", ".[testing]", "pytest-xdist>=3.8", *oldest)
    there = "', '.join(filter(importlib.util.find_spec, ['pytest_asyncio', 'anyio']))"
    session.run("python", "-c", f"import importlib.util, sys; sys.exit({there} or None)")
    tests = ["tests/pytest_plugin", *(["tests/testing", "tests/contract"] if session.python == ONE_PYTHON else [])]
    pytest(session, *([] if session.posargs else tests))


@nox.session(python=ONE_PYTHON)
def coverage(session: nox.Session) -> None:
    """Add up what the test sessions measured, and fail below every statement and branch."""
    session.install("coverage[toml]")
    session.run("coverage", "combine", "--keep")
    session.run("coverage", "report")


@nox.session(python=PYTHONS)
def cpython(session: nox.Session) -> None:
    """Run CPython's own asyncio tests with ContextPolicy as the default policy, and without."""
    session.install(".")
    session.run("python", "tests/cpython/run.py", *session.posargs, success_codes=[0, NO_TEST_PACKAGE])


@nox.session(python=ONE_PYTHON)
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=ONE_PYTHON)
def types(session: nox.Session) -> None:
    """Check the types of the package, of a typed use of it, and that its public face is typed throughout."""
    session.install("-e", ".[tests]", *group("types"))
    for version in TYPED_FOR:
        session.run("mypy", "--python-version", version, *TYPED)
    session.run("pyright")
    session.run("pyright", "--verifytypes", "ctxpolicy", "--ignoreexternal")


@nox.session(python=ONE_PYTHON)
def docs(session: nox.Session) -> None:
    """Build the docs; every warning and every broken reference is an error."""
    session.install("-e", ".[tests]", *group("docs"))
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session(python=ONE_PYTHON)
def examples(session: nox.Session) -> None:
    """Run every example program of the docs; a warning is an error."""
    session.install(".[greenlet,trio,uvloop]", "aiohttp>=3.13")  # shared_client.py needs aiohttp
    for example in sorted(Path("docs/examples").glob("*.py")):
        session.run("python", "-W", "error", str(example))


@nox.session(python=CPYTHONS)
def benchmarks(session: nox.Session) -> None:
    """Measure ctxpolicy against asyncio's own policy and others, as ratios."""
    session.install(".[tests]", *group("bench"))
    session.run("python", "-m", "tests.benchmarks", *session.posargs)


@nox.session(python=ONE_PYTHON)
def resolver_package(session: nox.Session) -> None:
    """Build the tutorial's package and ctxpolicy, install both wheels and nothing else, and run the page's commands."""
    session.install(*group("wheel"))
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    example = ROOT / "docs" / "examples" / "resolver_package"
    for project in (ROOT, example):
        session.run("python", "-m", "build", "--wheel", "--outdir", str(dist), str(project), silent=True)
    session.run("python", "-m", "pip", "uninstall", "-qy", "build", "pyproject_hooks", "packaging")
    ours, theirs = (next(dist.glob(f"{name}-*.whl")) for name in ("ctxpolicy", "ctxpolicy_notebook"))
    session.install("--force-reinstall", f"{ours}[testing]", str(theirs))
    away = dist.parent / "away"
    shutil.rmtree(away, ignore_errors=True)
    shutil.copytree(example, away, ignore=shutil.ignore_patterns("src"))
    session.chdir(away)
    page = ROOT / "docs" / "write-your-own-resolver.md"
    session.run("python", "-W", "error", str(ROOT / "tests" / "docs" / "run_console.py"), str(page))
    session.run("python", "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "tests")


@nox.session(python="3.12")
def wheel(session: nox.Session) -> None:
    """Build the distributions, and run the tests on the installed wheel, away from the source tree."""
    session.install(*group("wheel"))
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(dist), silent=True)
    (built,) = dist.glob("*.whl")
    session.install("--force-reinstall", f"{built}[tests]")
    away = dist.parent / "away"
    shutil.rmtree(away, ignore_errors=True)
    for name in ("tests", "docs"):
        shutil.copytree(ROOT / name, away / name)
    for name in ("pyproject.toml", "README.md", "noxfile.py", "CHANGELOG.md"):
        shutil.copy(ROOT / name, away / name)
    session.chdir(away)
    session.run("python", "-c", "import ctxpolicy, sys; sys.exit('site-packages' not in ctxpolicy.__file__)")
    pytest(session)
