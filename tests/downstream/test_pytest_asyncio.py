"""pytest-asyncio's tests and fixtures under an installed policy."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.emulated_316 import environment as emulated_environment
from tests.emulated_316 import is_active
from tests.support.programs import environment, run_python
from tests.support.resolver_cases import ResolverCase

pytest.importorskip("pytest_asyncio", reason="needs the package pytest-asyncio, which is not installed")

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

CONFTEST = """
import ctxpolicy
from ctxpolicy.compat import restore_policies
from tests.support.resolver_cases import CASES, tenant

def pytest_configure(config):
    config.restoration = restore_policies()  # pytest-asyncio needs policies, even on a Python without them
    tenant.set("acme")
    config.installation = ctxpolicy.install(CASES[{name!r}].make(), missing="error")

def pytest_unconfigure(config):
    assert config.installation.policy.resolver.get() is None
    config.installation.uninstall()
    config.restoration.undo()
"""

TESTS = """
import asyncio
import pytest
import pytest_asyncio

@pytest_asyncio.fixture
async def loop():
    found = asyncio.get_running_loop()
    yield found
    assert asyncio.get_running_loop() is found

@pytest.fixture
def sync(loop):
    return asyncio.get_event_loop()

async def test_fixtures_and_tests_run_in_one_loop(loop, sync):
    assert asyncio.get_running_loop() is loop is sync

async def test_tasks_and_threads_work():
    assert await asyncio.gather(*(asyncio.to_thread(abs, -n) for n in range(3))) == [0, 1, 2]

@pytest.mark.xfail(raises=AssertionError, strict=True)
async def test_failing():
    assert await asyncio.sleep(0, False)

@pytest.mark.parametrize("_", range(2))
async def test_each_test_has_a_loop_of_its_own(_, seen=set()):
    loop = asyncio.get_running_loop()
    assert loop not in seen
    seen.add(loop)

@pytest.mark.asyncio(loop_scope="class")
class TestsThatShareALoop:
    async def test_one(self):
        type(self).loop = asyncio.get_running_loop()

    async def test_two(self):
        assert asyncio.get_running_loop() is self.loop

def test_sync():
    pass
"""


def test_its_tests_pass(resolver_case: ResolverCase, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text(INI)
    (tmp_path / "conftest.py").write_text(CONFTEST.format(name=resolver_case.name))
    (tmp_path / "test_it.py").write_text(TESTS)
    pytest_asyncio_alone = {"PYTEST_ADDOPTS": "-p pytest_asyncio.plugin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = run_python("-m", "pytest", "-p", "no:cacheprovider", cwd=tmp_path, **pytest_asyncio_alone)
    assert "7 passed, 1 xfailed" in done.stdout, done.stdout + done.stderr
    assert (done.returncode, done.stderr) == (0, "")


# --- on an asyncio without policies -----------------------------------------------------------------------------------

ASYNC_TESTS = """
import asyncio
import pytest
import pytest_asyncio

class Loop(asyncio.SelectorEventLoop):
    pass

@pytest_asyncio.fixture
async def fixture():
    yield asyncio.get_running_loop()

async def test_async(fixture):
    assert asyncio.get_running_loop() is fixture
    assert isinstance(fixture, Loop)

@pytest.mark.asyncio(loop_scope="module")
async def test_of_the_module():
    assert isinstance(asyncio.get_running_loop(), Loop)

def test_sync():
    pass
"""

FACTORIES = """
def pytest_asyncio_loop_factories(config, item):
    from test_it import Loop
    return {"own": Loop}
"""


@pytest.mark.skipif(
    not is_active() and sys.version_info[:2] not in ((3, 14), (3, 15)),
    reason="asyncio without policies can be emulated on Python 3.14 and 3.15 only",
)
@pytest.mark.parametrize(
    ("conftest", "outcome"),
    [
        ("from ctxpolicy.compat import restore_policies\nrestore_policies()\n", "3 passed"),
        ("", "3 errors"),  # pytest-asyncio uses policies in the setup of sync tests too
    ],
    ids=["restored", "gone"],
)
def test_without_policies_its_tests_run_if_compat_restores_the_policies(
    tmp_path: Path, conftest: str, outcome: str
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # otherwise pytest reads the file of a parent folder
    (tmp_path / "conftest.py").write_text(conftest + FACTORIES)
    (tmp_path / "test_it.py").write_text(ASYNC_TESTS)
    options = ["-q", "-p", "pytest_asyncio.plugin", "-p", "no:cacheprovider", "-W", "error"]
    for option in ("asyncio_default_fixture_loop_scope=function", "asyncio_mode=auto"):
        options += ["-o", option]
    alone = {"PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = run_python("-m", "pytest", *options, cwd=tmp_path, **{**emulated_environment(environment()), **alone})
    assert re.search(rf"^{outcome} in ", done.stdout, re.MULTILINE), done.stdout + done.stderr
