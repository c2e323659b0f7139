"""The suite passes under the emulation because of the host: without a part of the host, tests fail."""

from __future__ import annotations

import re

import pytest

from .leaving_out import ASKED, PARTS
from .test_emulator import emulator, plain, python

# The test module that fails without each part.
MISSED_BY = {
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
@pytest.mark.parametrize(("part", "module"), [(part, module) for part in MISSED_BY for module in MISSED_BY[part]])
def test_where_a_part_of_the_host_is_left_out_tests_fail(part: str, module: str) -> None:
    status, counts, told = run(part, module, "-x")
    assert (status, counts.get("failed"), "error" in counts) == (pytest.ExitCode.TESTS_FAILED, 1, False), told


@emulator
def test_where_nothing_is_left_out_they_pass() -> None:
    status, counts, told = run("nothing", "tests/_asyncio/test_hosts.py")
    assert (status, counts.keys()) == (pytest.ExitCode.OK, {"passed"}), told


def test_every_part_is_missed() -> None:
    assert MISSED_BY.keys() == PARTS.keys() - {"nothing"}
