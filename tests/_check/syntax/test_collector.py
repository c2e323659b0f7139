from __future__ import annotations

import sys

import pytest

from ctxpolicy._check import check_paths


@pytest.mark.parametrize(
    "program",
    [
        "def function(policy: asyncio.AbstractEventLoopPolicy): pass",
        "def function(*policies: asyncio.AbstractEventLoopPolicy): pass",
        "async def function() -> asyncio.AbstractEventLoopPolicy | None: pass",
        "policy: asyncio.AbstractEventLoopPolicy",
        "class Class:\n    policy: list[asyncio.AbstractEventLoopPolicy] = []",
    ],
)
def test_an_annotation_only_possibly_fails_because_it_is_evaluated_lazily(program, findings):
    (finding,) = findings(f"import asyncio\n{program}")
    assert (finding.code, finding.certainty) == ("CTX102", "possible")


def test_an_annotation_of_a_star_imported_name_only_possibly_fails(findings):
    (finding,) = findings("from asyncio import *\ndef function() -> DefaultEventLoopPolicy: pass")
    assert finding.certainty == "possible"


def test_annotations_in_functions_are_never_evaluated(found):
    assert not found("import asyncio\ndef function():\n    policy: asyncio.AbstractEventLoopPolicy = None")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="reads the syntax of Python 3.12")
def test_a_bound_of_a_type_parameter_is_an_annotation(findings):
    program = "import asyncio\ndef function[P: asyncio.AbstractEventLoopPolicy](policy: P): pass"
    assert [finding.certainty for finding in findings(program)] == ["possible"]
    program = "import asyncio\nclass Class[P: asyncio.AbstractEventLoopPolicy]: pass"
    assert [finding.certainty for finding in findings(program)] == ["possible"]


@pytest.mark.parametrize(
    "program",
    [
        "if a: pass\n" + "elif asyncio: pass\n" * 500,
        "x = 1" + " + 1" * 2000,
        "asyncio" + ".tasks" * 2000 + ".get_child_watcher",
        "".join("    " * depth + "def f(asyncio):\n" for depth in range(60))
        + "    " * 60
        + "asyncio.get_child_watcher",
        "asyncio.run(" * 80 + ")" * 80,
    ],
    ids=["elif", "sum", "attributes", "functions", "calls"],
)
def test_deeply_nested_code_that_can_be_parsed_is_checked(program, tmp_path):
    limit = sys.getrecursionlimit()
    (tmp_path / "a.py").write_text(f"import asyncio\n{program}\nasyncio.set_child_watcher(None)\n")
    report = check_paths([tmp_path])
    if report.problems:  # the parser has limits of its own
        assert "to be parsed" in report.problems[0].message
    else:
        assert report.findings[-1].line == program.count("\n") + 3
    assert sys.getrecursionlimit() == limit
