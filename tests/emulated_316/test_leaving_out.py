"""The suite passes under the emulation because of the host: without a part of the host, tests fail."""

from __future__ import annotations

import re

import pytest

from .leaving_out import ASKED, PARTS
from .test_emulator import emulator, plain, python

# For each part of the host, the test modules that fail without it.
NEEDED_BY = {
    "all of it": ("tests/_policy/test_policy.py", "tests/_policy/test_install.py", "tests/contract/test_builtin.py"),
    "the current loop": ("tests/_policy/test_policy.py",),
    "new loops": ("tests/_policy/test_policy_kinds.py",),
    "the undoing": ("tests/_asyncio/test_hosts.py",),
    "the forked child": ("tests/_asyncio/test_hosts.py",),
}
PLUGINS = ("-p", "tests.emulated_316.plugin", "-p", "tests.emulated_316.leaving_out", "-p", "no:cacheprovider")


def run(part: str, module: str, *options: str) -> tuple[int, dict[str, int], str]:
    """Run a test module without a part of the host; return the exit status, and the number of tests per outcome."""
    done = python("-m", "pytest", "-q", *PLUGINS, *options, module, env={**plain(), ASKED: part})
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?)\b", done.stdout)}
    return done.returncode, counts, done.stdout + done.stderr


@emulator
@pytest.mark.parametrize(("part", "module"), [(part, module) for part in NEEDED_BY for module in NEEDED_BY[part]])
def test_tests_fail_if_a_part_of_the_host_is_left_out(part: str, module: str) -> None:
    status, counts, told = run(part, module, "-x")
    assert (status, counts.get("failed"), "error" in counts) == (pytest.ExitCode.TESTS_FAILED, 1, False), told


@emulator
def test_tests_pass_if_nothing_is_left_out() -> None:
    status, counts, told = run("nothing", "tests/_asyncio/test_hosts.py")
    assert (status, counts.keys()) == (pytest.ExitCode.OK, {"passed"}), told


def test_every_part_has_tests_that_fail_without_it() -> None:
    assert NEEDED_BY.keys() == PARTS.keys() - {"nothing"}
