"""The workflow on GitHub and the hooks before a commit name the sessions and the versions that the project has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"

pytestmark = pytest.mark.skipif(not WORKFLOW.exists(), reason="only a checkout has the workflows")


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def sessions() -> set[str]:
    """Return the names of the functions in noxfile.py that are sessions."""
    return {
        node.name
        for node in ast.parse(text("noxfile.py")).body
        if isinstance(node, ast.FunctionDef) and any("nox.session" in ast.unparse(each) for each in node.decorator_list)
    }


def pythons() -> set[str]:
    """Return the Python versions among the classifiers in pyproject.toml."""
    return set(re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text("pyproject.toml")))


def named_sessions(workflow: str) -> set[str]:
    """Return the sessions that the workflow names, in matrices and in commands."""
    lists = re.findall(r"session: \[(.+)\]", workflow)
    single = re.findall(r"session: (\w[\w.-]*)", workflow) + re.findall(r"nox -s (\w+)", workflow)
    return {*single, *(name.strip() for names in lists for name in names.split(","))}


def sessions_in_text(page: str) -> set[str]:
    """Return the sessions of the commands `nox -s ...` in a page."""
    commands = re.findall(r"nox -s ((?:[a-z][\w.-]*[\w] ?)+)", page)
    return {name for command in commands for name in command.split()}


def test_every_session_that_the_workflow_and_the_pages_name_exists():
    pages = [text("CONTRIBUTING.md"), text(".github/PULL_REQUEST_TEMPLATE.md")]
    named = named_sessions(text(".github/workflows/ci.yml")).union(*map(sessions_in_text, pages))
    assert {"quick", "lint", "benchmarks-3.13", "versions-3.14"} <= named
    for name in named:
        session, _, python = name.partition("-")
        assert session in sessions(), name
        assert python in {"", "pypy3", *pythons()}, name


def test_the_workflow_runs_tests_on_every_python():
    run = named_sessions(text(".github/workflows/ci.yml"))
    tested = {name.partition("-")[2] for name in run if name.startswith(("tests-", "versions-"))}
    assert tested == {*pythons(), "pypy3"}


def test_every_action_is_pinned_to_a_commit():
    uses = re.findall(r"uses: (.+)", text(".github/workflows/ci.yml"))
    assert uses
    assert [each for each in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", each)] == []


def test_a_hook_before_a_commit_has_the_version_that_the_lint_session_has():
    hooks = set(re.findall(r'additional_dependencies: \["(.+)"\]', text(".pre-commit-config.yaml")))
    (group,) = re.findall(r"^lint = \[(.*?)\]", text("pyproject.toml"), re.MULTILINE | re.DOTALL)
    lint = {re.match(r"[\w-]+", each)[0]: each for each in re.findall(r'"(.+?)"', group)}
    assert lint["ruff"] in hooks
    assert [each for each in hooks if lint.get(re.match(r"[\w-]+", each)[0], each) != each] == []


def test_a_bug_report_asks_for_the_output_of_explain():
    assert "python -m ctxpolicy explain --json" in text(".github/ISSUE_TEMPLATE/bug_report.yml")
