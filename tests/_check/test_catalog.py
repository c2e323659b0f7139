from __future__ import annotations

import re
from pathlib import Path

import pytest

from ctxpolicy._check import RULES, Rule

PAGES = Path(__file__).parents[2] / "docs" / "check"


@pytest.fixture(params=RULES.values(), ids=RULES)
def rule(request) -> Rule:
    return request.param


def page(rule: Rule) -> str:
    return (PAGES / f"{rule.code.lower()}.md").read_text("utf-8")


def programs(rule: Rule, heading: str) -> list[str]:
    """Return the programs under a heading of a rule's page."""
    section = page(rule).partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def test_each_key_of_the_table_is_the_code_of_its_rule_and_has_the_form_of_a_code():
    assert all(code == rule.code and re.fullmatch(r"CTX[1-9]\d\d", code) for code, rule in RULES.items())


def test_a_rule_warns_before_it_fails(rule):
    assert rule.warns is None or rule.fails is None or rule.warns < rule.fails


def test_every_rule_has_a_page_that_begins_with_its_code_and_title(rule):
    assert page(rule).splitlines()[0] == f"# {rule.code}: {rule.title}"


def test_the_page_states_since_which_python_the_use_warns_and_fails(rule):
    text = " ".join(page(rule).split())
    assert (f"warns since Python {rule.warns}" if rule.warns else "no Python warns") in text
    assert (f"fails since Python {rule.fails}" if rule.fails else "no Python fails") in text


def test_each_program_under_found_is_found(rule, findings):
    assert programs(rule, "Found")
    for program in programs(rule, "Found"):
        assert {finding.code for finding in findings(program)} == {rule.code}


def test_no_program_under_instead_is_found(rule, findings):
    assert programs(rule, "Instead")
    assert not [findings(program) for program in programs(rule, "Instead") if findings(program)]


def test_no_program_under_not_found_is_found(rule, findings):
    assert not [findings(program) for program in programs(rule, "Not found") if findings(program)]


def test_the_index_lists_every_rule_and_no_other():
    index = (PAGES / "index.md").read_text("utf-8")
    listed = index.partition("```{toctree}")[2].partition("```")[0].split("\n\n")[1].split()
    assert listed == [code.lower() for code in RULES]
    assert {path.stem for path in PAGES.glob("ctx*.md")} == set(listed)
