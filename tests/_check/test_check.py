from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ctxpolicy._check import Version, check_paths
from ctxpolicy._check import check as checking
from ctxpolicy._check.source import UnreadableError
from tests.support.programs import run_program

GONE = "import asyncio\nasyncio.get_event_loop_policy()\n"


def test_all_files_of_a_folder_are_checked_in_order(tmp_path):
    for name in ("b.py", "a.py"):
        (tmp_path / name).write_text(GONE)
    report = check_paths([tmp_path])
    assert [(Path(finding.file).name, finding.line) for finding in report.findings] == [("a.py", 2), ("b.py", 2)]
    assert (report.files, report.problems) == (2, [])


def test_findings_of_a_file_are_sorted_by_position(found):
    program = """
        import asyncio
        asyncio.get_event_loop(); asyncio.get_child_watcher()
        asyncio.set_child_watcher(asyncio.SafeChildWatcher(loop=asyncio.Lock(loop=1)))
        from asyncio import set_event_loop_policy
    """
    assert found(program) == [
        *[("CTX301", 3), ("CTX201", 3)],
        *[("CTX201", 4), ("CTX202", 4), ("CTX401", 4)],
        ("CTX101", 5),
    ]


def test_a_file_that_cannot_be_checked_does_not_end_the_check(tmp_path):
    (tmp_path / "a.py").write_text("syntax error")
    (tmp_path / "b.py").write_bytes(b"\0binary")
    (tmp_path / "c.py").write_bytes(b"# coding: nonsense")
    (tmp_path / "d.py").write_text(GONE)
    report = check_paths([str(tmp_path / "missing"), tmp_path])
    assert [Path(problem.file).name for problem in report.problems] == ["missing", "a.py", "b.py", "c.py"]
    assert [Path(finding.file).name for finding in report.findings] == ["d.py"]
    assert report.files == 1


def test_a_bug_in_the_check_does_not_end_the_check(tmp_path, monkeypatch):
    def check(source):
        if source.file.endswith("a.py"):
            raise IndexError("of a defect")
        return real(source)

    real = checking._check_source
    monkeypatch.setattr(checking, "_check_source", check)
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(GONE)
    report = check_paths([tmp_path])
    assert [problem.message for problem in report.problems] == [
        "cannot be checked because of a bug in ctxpolicy: IndexError('of a defect')"
    ]
    assert [Path(finding.file).name for finding in report.findings] == ["b.py"]


def test_a_target_can_be_given_in_both_forms(tmp_path):
    (tmp_path / "a.py").write_text(GONE)
    assert check_paths([tmp_path]).target == (3, 16)
    assert len(check_paths([tmp_path]).failing) == 1
    assert check_paths([tmp_path], target="3.15").failing == []
    assert check_paths([tmp_path], target=Version(3, 15)).target == Version(3, 15)
    with pytest.raises(ValueError, match="is not a Python version"):
        check_paths([tmp_path], target="newest")


def test_a_finding_that_a_comment_ignores_is_not_reported(found):
    program = """
        import asyncio
        asyncio.get_event_loop_policy()  # ctxpolicy: ignore[CTX101]
        asyncio.get_event_loop_policy()  # ctxpolicy: ignore[CTX102]
        asyncio.set_event_loop_policy(
            asyncio.DefaultEventLoopPolicy()
        )  # ctxpolicy: ignore[CTX101,CTX102]
        "# ctxpolicy: ignore[CTX101]"; asyncio.get_event_loop_policy()
    """
    assert found(program) == [("CTX101", 4), ("CTX101", 8)]


def test_a_file_that_does_not_mention_asyncio_is_still_parsed(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "b.py").write_text("x = = 1")
    report = check_paths([tmp_path])
    assert report.files == 1
    assert [problem.line for problem in report.problems] == [1]


def test_code_that_is_nested_too_deeply_to_be_checked_is_a_problem(tmp_path):
    aliases = "\n".join(f"a{number} = a{number - 1}" for number in range(1, 20_000))  # PyPy allows some thousand
    (tmp_path / "a.py").write_text(f"import asyncio\na0 = asyncio\n{aliases}\na19999.get_child_watcher()\n")
    (tmp_path / "b.py").write_text(GONE)
    report = check_paths([tmp_path])
    assert [problem.message for problem in report.problems] == ["is nested too deeply to be checked"]
    assert len(report.findings) == 1


def test_the_checked_code_is_neither_run_nor_imported(tmp_path):
    (tmp_path / "spam_of_the_check.py").write_text(f"raise SystemExit\n{GONE}")
    (tmp_path / "b.py").write_text("import spam_of_the_check\nraise SystemExit\n")
    assert len(check_paths([tmp_path]).findings) == 1
    assert "spam_of_the_check" not in sys.modules


def test_the_source_of_the_check_imports_nothing_else_of_the_package():
    package = Path(check_paths.__code__.co_filename).parent
    imported = {
        line.split()[1]
        for file in package.rglob("*.py")
        for line in file.read_text("utf-8").splitlines()
        if line.strip().startswith(("from ctxpolicy", "import ctxpolicy"))
    }
    assert any(name.startswith("ctxpolicy._check.syntax") for name in imported)
    assert all(name.startswith("ctxpolicy._check") for name in imported)


def test_the_check_imports_neither_asyncio_nor_anything_else_of_the_package():
    loaded = run_program(
        "import sys; before = set(sys.modules); import ctxpolicy._check; print(*set(sys.modules) - before)"
    ).split()
    assert "ctxpolicy._check.check" in loaded
    assert "asyncio" not in loaded
    ours = {name for name in loaded if name.startswith("ctxpolicy") and not name.startswith("ctxpolicy._check")}
    assert ours <= {"ctxpolicy"}


def test_the_text_of_an_unreadable_error_is_the_message_of_its_problem():
    from ctxpolicy._check import Problem

    assert str(UnreadableError(Problem("a.py", "is large"))) == "is large"
