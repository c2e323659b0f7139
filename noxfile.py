"""The project's checks. Each check is a nox session: `nox -l` lists them, `nox -s tests-3.13` runs one of them."""

from __future__ import annotations

import getpass
import shutil
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
CPYTHONS = nox.project.python_versions(PYPROJECT)
PYPY = "Programming Language :: Python :: Implementation :: PyPy" in PYPROJECT["project"]["classifiers"]
PYTHONS = [*CPYTHONS, *(["pypy3"] if PYPY else [])]
OLDEST, NEWEST = CPYTHONS[0], CPYTHONS[-1]
ONE_PYTHON = "3.11"  # for checks whose result does not depend on the Python, and for the README's commands
WITHOUT_POLICIES = [python for python in CPYTHONS if int(python.split(".")[1]) >= 14]  # where 3.16 can be emulated

WORKERS = ("-n", "auto", "--dist", "worksteal")
# The whole suite runs on the oldest and on the newest Python. On the Pythons between them, these tests run: their
# results depend on what asyncio and the interpreter do.
VERSION_TESTS = (
    "tests/_asyncio",
    "tests/_policy",
    "tests/resolvers",
    "tests/contract",
    "tests/_pytest/test_isolation.py",
    "tests/_pytest/test_asking.py",
)
# Most changes break one of these tests if they break any.
QUICK_TESTS = (
    "tests/_asyncio",
    "tests/_check",
    "tests/_loops",
    "tests/_policy",
    "tests/resolvers",
    "tests/_lifetime",
    "tests/contract/test_builtin.py",
    "tests/_pytest/test_isolation.py",
    *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/test_*.py")),
)
# A wheel may lack a file or an entry point that the source tree has. These tests use most modules, the command line,
# the plugin and the published contract tests.
WHEEL_TESTS = (
    "tests/test_public_names.py",
    "tests/resolvers/test_registry.py",
    "tests/_policy/test_install.py",
    "tests/_cli/test_main.py",
    "tests/_cli/test_check.py",
    "tests/_pytest/test_isolation.py",
    "tests/contract/test_builtin.py",
)
# Together, these runs reach every statement and every branch: the whole suite on the oldest and on the newest Python,
# and on this Python the tests of the code that depends on the version.
MEASURED_BETWEEN = "3.13"
MEASURED_BETWEEN_TESTS = ("tests/_asyncio", "tests/_policy")
# These tests count objects, and coverage makes objects.
STRESS = "tests/stress"

# These tests do most of their work in other Python processes, which have POSIX, or never look at the platform.
STARTS_PYTHONS = {
    "__pycache__", "_check", "_cli", "_pytest", "benchmarks", "conftest.py", "contract", "cpython", "docs",
    "emulated_316", "examples", "mutants", "stress", "support", "testing", "typing",
}  # fmt: skip

OLDEST_PYTEST = "pytest==8.3.*"  # the oldest pytest that the extra `testing` allows
NO_TEST_PACKAGE = 77  # the exit status of tests/cpython/run.py if the Python comes without its tests
TYPED = ("ctxpolicy", "tests/typing")
PLATFORMS = ("linux", "win32", "darwin")

nox.needs_version = ">=2025.5.1"
# uv makes an environment in seconds; virtualenv and pip take half a minute.
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.sessions = ["lint", "types", "quick"]
nox.options.error_on_external_run = True


def group(name: str) -> tuple[str, ...]:
    """Return the requirements of one dependency group."""
    return nox.project.dependency_groups(PYPROJECT, name)


def pytest(session: nox.Session, *tests: str, options: tuple[str, ...] = (), measured: bool = False) -> None:
    """Run tests: those that the command line names after `--`, or `tests`, or all.

    Args:
        session: the session.
        tests: paths.
        options: further options of pytest.
        measured: whether coverage measures the run.
    """
    command = ["coverage", "run", *concurrency(session)] if measured else ["python"]
    command += ["-m", "pytest", "-p", "no:cacheprovider", *WORKERS, *options]
    session.run(*command, *(session.posargs or tests), env=coverage_core(session) if measured else None)


def coverage_core(session: nox.Session) -> dict[str, str]:
    """Return the environment that selects how coverage measures.

    `sys.monitoring` reports branches from 3.14 on, and costs less than a trace function.
    """
    return {"COVERAGE_CORE": "sysmon"} if session.python in WITHOUT_POLICIES else {}


def concurrency(session: nox.Session) -> list[str]:
    """Return the option that names what coverage must follow. With `sys.monitoring`, it follows greenlets anyway."""
    return ["--concurrency=thread,multiprocessing"] if session.python in WITHOUT_POLICIES else []


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the whole suite; on the oldest and the newest Python, measure its coverage."""
    session.install("-e", ".[tests]")
    if session.python not in (OLDEST, NEWEST) or session.posargs:
        pytest(session)
        return
    pytest(session, options=(f"--ignore={STRESS}",), measured=True)
    pytest(session, STRESS)


@nox.session(python=ONE_PYTHON)
def quick(session: nox.Session) -> None:
    """Run the tests that most wrong changes break; this takes at most a minute."""
    session.install("-e", ".[tests]")
    pytest(session, *QUICK_TESTS)


@nox.session(python=[python for python in CPYTHONS if python not in (OLDEST, ONE_PYTHON, NEWEST)])
def versions(session: nox.Session) -> None:
    """Run the tests whose results depend on the Python; on 3.13, measure the coverage of some."""
    session.install("-e", ".[tests]")
    if session.python != MEASURED_BETWEEN or session.posargs:
        pytest(session, *VERSION_TESTS)
        return
    pytest(session, *MEASURED_BETWEEN_TESTS, measured=True)
    pytest(session, *(test for test in VERSION_TESTS if test not in MEASURED_BETWEEN_TESTS))


@nox.session(python=WITHOUT_POLICIES)
def emulated_316(session: nox.Session) -> None:
    """Run the whole suite on an asyncio without policies, as in Python 3.16."""
    session.install("-e", ".[tests]")
    pytest(session, options=("-p", "tests.emulated_316.plugin"))


@nox.session(python=ONE_PYTHON)
def without_posix(session: nox.Session) -> None:
    """Run the tests without fork, Unix signals, Unix sockets and child watchers, which Windows does not have."""
    session.install("-e", ".[tests]")
    tests = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("tests/*")) if path.name not in STARTS_PYTHONS]
    # SIGALRM, with which pytest-timeout ends a test by default, is a Unix signal.
    pytest(session, *tests, options=("-p", "tests.without_posix.plugin", "-o", "timeout_method=thread"))


@nox.session(python=[OLDEST, ONE_PYTHON, NEWEST])
def plugin_alone(session: nox.Session) -> None:
    """Run the tests of the pytest plugin and of `ctxpolicy.testing` without any other plugin that ctxpolicy works with.

    Besides pytest and hypothesis, only pytest-xdist and pytest-timeout are installed. On the oldest Python, pytest is
    the oldest that is supported.
    """
    oldest = [OLDEST_PYTEST] if session.python == OLDEST else []
    session.install("-e", ".[testing]", "pytest-xdist>=3.8", "pytest-timeout>=2.4", *oldest)
    installed = "', '.join(filter(importlib.util.find_spec, ['pytest_asyncio', 'anyio']))"
    session.run("python", "-c", f"import importlib.util, sys; sys.exit({installed} or None)")
    contract = ["tests/testing", "tests/contract"] if session.python != OLDEST else []
    # The oldest pytest does not read the time limits in pyproject.toml.
    pytest(session, "tests/_pytest", *contract, options=("--timeout=60",))


@nox.session(python=ONE_PYTHON)
def coverage(session: nox.Session) -> None:
    """Combine the measurements of the other sessions, and fail unless every statement and branch was reached."""
    session.install("coverage[toml]")
    session.run("coverage", "combine", "--keep")
    session.run("coverage", "report")


@nox.session(python=PYTHONS)
def cpython(session: nox.Session) -> None:
    """Run CPython's own asyncio tests with ContextPolicy as the default policy, and without, and compare."""
    session.install(".")
    session.run(
        "python", "tests/cpython/run.py", f"--reference={reference_folder()}", *session.posargs,
        success_codes=[0, NO_TEST_PACKAGE],
    )  # fmt: skip


def reference_folder() -> Path:
    """Return the folder in which the results of asyncio's tests without ctxpolicy are kept from run to run."""
    return Path(tempfile.gettempdir()) / f"ctxpolicy-cpython-reference-{getpass.getuser()}"


@nox.session(python=ONE_PYTHON)
def lint(session: nox.Session) -> None:
    """Check style, formatting, and the files for GitHub."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", ".github/workflows/ci.yml")
    forms = [".github/ISSUE_TEMPLATE/bug_report.yml", ".github/ISSUE_TEMPLATE/feature_request.yml"]
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-issue-forms", *forms)


@nox.session(python=ONE_PYTHON)
def types(session: nox.Session) -> None:
    """Check the types of the package for every platform, and that every public name has one."""
    session.install("-e", ".[tests]", *group("types"))
    for platform in PLATFORMS:
        for version in (OLDEST, NEWEST):
            session.run("mypy", "--python-version", version, "--platform", platform, *TYPED)
    for platform in ("Linux", "Windows", "Darwin"):
        session.run("pyright", "--pythonplatform", platform)
    session.run("pyright", "--verifytypes", "ctxpolicy", "--ignoreexternal")


@nox.session(python=ONE_PYTHON)
def docs(session: nox.Session) -> None:
    """Build the docs. Every warning and every broken reference is an error."""
    session.install("-e", ".[tests]", *group("docs"))
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session(python=ONE_PYTHON)
def examples(session: nox.Session) -> None:
    """Run every example program of the docs. A warning is an error."""
    session.install(".[greenlet,trio,uvloop]", "aiohttp>=3.13")  # shared_client.py needs aiohttp
    for example in sorted(Path("docs/examples").glob("*.py")):
        session.run("python", "-W", "error", str(example))


@nox.session(python=CPYTHONS)
def benchmarks(session: nox.Session) -> None:
    """Measure ctxpolicy against asyncio's own policy and against other policies, as ratios."""
    session.install(".[tests]")
    session.run("python", "-m", "tests.benchmarks", *session.posargs)


def build_wheels(session: nox.Session, *projects: Path) -> Path:
    """Build the wheel of each project, and return the folder with the wheels."""
    dist = empty_folder(session, "dist")
    for project in projects:
        session.run("python", "-m", "build", "--wheel", "--outdir", str(dist), str(project), silent=True)
    return dist


def empty_folder(session: nox.Session, name: str) -> Path:
    """Return an empty folder of that name in the session's environment.

    `session.create_tmp()` would also set TMPDIR. Tests would then run pytest in folders inside this checkout, and these
    runs would read the configuration of this checkout.
    """
    folder = Path(session.virtualenv.location).resolve() / "folders" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@nox.session(python=ONE_PYTHON, venv_backend="virtualenv")  # an environment made by uv has no pip to uninstall with
def resolver_package(session: nox.Session) -> None:
    """Build ctxpolicy and the tutorial's package, install both wheels and nothing else, and run the page's commands."""
    session.install(*group("wheel"))
    example = ROOT / "docs" / "examples" / "resolver_package"
    dist = build_wheels(session, ROOT, example)
    session.run("python", "-m", "pip", "uninstall", "-qy", "build", "pyproject_hooks", "packaging")
    ours, theirs = (next(dist.glob(f"{name}-*.whl")) for name in ("ctxpolicy", "ctxpolicy_notebook"))
    session.install("--force-reinstall", f"{ours}[testing]", str(theirs))
    away = empty_folder(session, "away")
    shutil.copytree(example, away, ignore=shutil.ignore_patterns("src"), dirs_exist_ok=True)
    session.chdir(away)
    page = ROOT / "docs" / "write-your-own-resolver.md"
    session.run("python", "-W", "error", str(ROOT / "tests" / "docs" / "run_console.py"), str(page))
    session.run("python", "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "tests")


@nox.session(python="3.12")
def wheel(session: nox.Session) -> None:
    """Build the distributions, install the wheel, and test it away from the source tree."""
    session.install(*group("wheel"))
    dist = empty_folder(session, "dist")
    # The wheel is built from the source distribution, which shows that the latter is complete.
    session.run("python", "-m", "build", "--outdir", str(dist), silent=True)
    (built,) = dist.glob("*.whl")
    session.install("--reinstall" if session.venv_backend == "uv" else "--force-reinstall", f"{built}[tests]")
    away = empty_folder(session, "away")
    for name in ("tests", "docs"):
        shutil.copytree(ROOT / name, away / name)
    for name in ("pyproject.toml", "README.md", "noxfile.py", "CHANGELOG.md"):
        shutil.copy(ROOT / name, away / name)
    session.chdir(away)
    session.run("python", "-c", "import ctxpolicy, sys; sys.exit('site-packages' not in ctxpolicy.__file__)")
    session.run("ctxpolicy", "list")
    pytest(session, *WHEEL_TESTS)


@nox.session(python=ONE_PYTHON)
def mutants(session: nox.Session) -> None:
    """Change the code in many small ways, and list the changes that no test notices: `nox -s mutants -- MODULE...`.

    This takes hours for all modules, and is not part of CI: see docs/contributing/mutants.md.
    """
    session.install(*group("mutants"), str(ROOT / "tests" / "mutants" / "operators"))
    copy = empty_folder(session, "copy")
    tracked = session.run("git", "ls-files", external=True, silent=True)
    for name in str(tracked).split():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    session.install("-e", f"{copy}[tests]")
    session.run("python", "tests/mutants/run.py", str(copy), *session.posargs)
