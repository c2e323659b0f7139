from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ctxpolicy._check import RULES, Version
from ctxpolicy._check.checked_module import CheckedModule, RuleMatch
from ctxpolicy._check.source import read_source

MATCH = RuleMatch("CTX101", "message", "likely", Version(3, 14), Version(3, 16))


@pytest.mark.parametrize(
    ("limit", "warns", "fails"),
    [
        (None, (3, 14), (3, 16)),
        (Version(3, 17), (3, 14), (3, 16)),
        (Version(3, 16), (3, 14), None),
        (Version(3, 15), (3, 14), None),
        (Version(3, 14), None, None),
    ],
)
def test_a_match_loses_the_versions_that_do_not_reach_its_node(limit, warns, fails):
    match = MATCH.limited_to(limit)
    assert (match.warns, match.fails) == (warns, fails)
    assert (match.code, match.message, match.certainty) == ("CTX101", "message", "likely")


@pytest.fixture
def module(tmp_path: Path) -> CheckedModule:
    """Return a module with one call, in its second line."""
    file = tmp_path / "module.py"
    file.write_text("import asyncio\nx = 'é', print()\n", "utf-8")
    return CheckedModule(read_source(str(file)))


def test_a_finding_has_the_position_of_its_node_and_the_replacement_of_its_rule(module):
    ((call, context),) = module.nodes.calls
    finding = module.finding(call, context, MATCH)
    assert (Path(finding.file).name, finding.line, finding.column) == ("module.py", 2, len("x = 'é', ") + 1)
    assert (finding.code, finding.message, finding.certainty) == ("CTX101", "message", "likely")
    assert finding.replacement == RULES["CTX101"].replacement


def test_a_match_may_have_a_replacement_of_its_own(module):
    ((call, context),) = module.nodes.calls
    match = RuleMatch("CTX101", "message", "likely", replacement="nothing")
    assert module.finding(call, context, match).replacement == "nothing"


def test_a_handled_failure_leaves_the_warning_or_nothing(module):
    ((call, context),) = module.nodes.calls
    finding = module.finding(call, context, MATCH, handled=True)
    assert (finding.warns, finding.fails) == ((3, 14), None)
    assert module.finding(call, context, RuleMatch("CTX103", "", "certain", None, Version(3, 16)), handled=True) is None


def test_a_node_that_no_python_version_reaches_gives_no_finding(module):
    ((call, context),) = module.nodes.calls
    never = context.if_true(ast.Constant(value=False))
    assert module.finding(call, never, RuleMatch("CTX302", "message", "likely")) is None
