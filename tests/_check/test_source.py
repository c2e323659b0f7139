from __future__ import annotations

import codecs
import sys
import warnings
from pathlib import Path

import pytest

from ctxpolicy._check import source
from ctxpolicy._check.report import Problem
from ctxpolicy._check.source import Source, UnreadableError, read_source

VERSION = f"(read as Python {sys.version_info[0]}.{sys.version_info[1]})"


@pytest.fixture
def read_bytes(tmp_path: Path):
    """Return a function that reads a file with the given content."""

    def run(data: bytes) -> Source:
        file = tmp_path / "a.py"
        file.write_bytes(data)
        return read_source(str(file))

    return run


@pytest.fixture
def problem_of(read_bytes):
    """Return a function that returns the problem with a file of the given content."""

    def run(data: bytes) -> Problem:
        with pytest.raises(UnreadableError) as caught:
            read_bytes(data)
        return caught.value.problem

    return run


@pytest.mark.parametrize(
    "data",
    [
        "# ä\n".encode(),
        codecs.BOM_UTF8 + "# ä\n".encode(),
        codecs.BOM_UTF8 + "# coding: utf-8 ä\n".encode(),
        "# -*- coding: latin-1 -*- ä\n".encode("latin-1"),
        "#!/usr/bin/python\n# vim: set fileencoding=cp1251 : я\n".encode("cp1251"),
        "# coding: euc-jp 日\n".encode("euc-jp"),
        b"# coding: utf-7 +AOQ-\n",
    ],
)
def test_files_are_decoded_as_pep_263_requires(data, read_bytes):
    assert any(letter in read_bytes(data).text for letter in "äя日")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_as_the_parser_counts_them(end, read_bytes):
    tree = read_bytes(end.join([b"a", b"b \x0c", b"c # \xe2\x80\xa8 \xc2\x85", b"d"])).tree
    assert [statement.lineno for statement in tree.body] == [1, 2, 3, 4]


def test_an_empty_file_is_source(read_bytes):
    assert read_bytes(b"").tree.body == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"# \xff\n", "cannot be decoded: "),
        (b"# fine\n\n\n# \xff\n", "cannot be decoded: 'utf-8' codec"),
        (b"# coding: nonsense\n", "cannot be decoded: unknown encoding: nonsense"),
        (b"# coding: rot13\n", "cannot be decoded: 'rot13' is not a text encoding"),
        (codecs.BOM_UTF8 + b"# coding: latin-1\n", "cannot be decoded: encoding problem: utf-8"),
        (b"\x7fELF\0\0", "is not Python source: it has null bytes"),
        ("import asyncio\n".encode("utf-16"), "is not Python source: it has null bytes"),
        (b"# coding: unicode_escape\n'\\ud800'", "cannot be parsed: 'utf-8' codec can't encode"),
    ],
)
def test_a_file_that_is_not_text_is_a_problem(data, message, problem_of):
    assert message in problem_of(data).message
    assert problem_of(data).file.endswith("a.py")


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"a\nb c\n", 2), (b"print 'Python 2'\n", 1), (b"\n\na = = b\n", 3), (b"if 1:\n\ta\n        b\n", 3), (b"(\n", 1)],
)
def test_a_syntax_error_is_a_problem_with_a_line(data, line, problem_of):
    problem = problem_of(data)
    assert problem.message.startswith("has a syntax error: ")
    assert problem.message.endswith(VERSION)
    assert problem.line == line


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="reads the syntax of Python 3.14")
def test_the_syntax_of_a_newer_python_is_a_problem_that_names_this_one(problem_of):
    assert VERSION in problem_of(b"name = 1\nt'{name}' + t''\n").message


@pytest.mark.parametrize("data", [b"(" * 5000 + b")" * 5000, b"-" * 200_000 + b"1", b"lambda:" * 20_000 + b"1"])
def test_code_that_is_nested_too_deeply_to_be_parsed_is_a_problem(data, problem_of):
    assert "nested" in problem_of(data).message
    assert VERSION in problem_of(data).message


def test_a_very_large_file_is_a_problem(problem_of, monkeypatch):
    monkeypatch.setattr(source, "MAX_BYTES", 2 << 20)
    assert problem_of(b"#" * (2 << 20) + b"\n").message == "is larger than 2 MiB"


def test_a_file_that_cannot_be_opened_is_a_problem(tmp_path):
    with pytest.raises(UnreadableError, match="cannot be read: No such file or directory"):
        read_source(str(tmp_path / "gone.py"))


def test_a_file_without_permission_is_a_problem(monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableError, match="cannot be read: Permission denied"):
        read_source("closed.py")


def test_warnings_about_the_checked_code_are_suppressed(read_bytes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_bytes(b"'\\d' is 1\nassert (1, 2)\n").tree.body


def test_columns_count_characters(read_bytes):
    file = read_bytes("'𝄞ä€'; x\nif x:\n\ty\n".encode())
    first, second, condition = file.tree.body
    assert [file.column(node.lineno, node.col_offset) for node in (first, second, condition.body[0])] == [1, 8, 2]


IGNORED = {
    "on its line": ("x = 1  # ctxpolicy: ignore[CTX101]", [1]),
    "without spaces": ("x = 1  #ctxpolicy:ignore[CTX101]", [1]),
    "after another comment": ("x = 1  # noqa: E501  # ctxpolicy: ignore[CTX101] for now", [1]),
    "one of several": ("x = 1  # ctxpolicy: ignore[CTX301, CTX101,CTX102]", [1]),
    "in two comments": ("x = 1  # ctxpolicy: ignore[CTX301] # ctxpolicy: ignore[CTX101]", [1]),
    "on the first line of a statement": ("x = (  # ctxpolicy: ignore[CTX101]\n  1,\n)\ny", [1, 2, 3]),
    "on the last line of a statement": ("x = (\n  1,\n)  # ctxpolicy: ignore[CTX101]\ny", [1, 2, 3]),
    "on a line between": ("x = (\n  1,  # ctxpolicy: ignore[CTX101]\n  2,\n)", [2]),
    "of continued lines": ("x = 1 + \\\n  2  # ctxpolicy: ignore[CTX101]", [1, 2]),
    "of a header": ("class X(\n  Y,\n):  # ctxpolicy: ignore[CTX101]\n  y = 1\n  z = 2", [1, 2, 3]),
    "of the body": ("if x:\n  y = 1  # ctxpolicy: ignore[CTX101]\n  z = 2", [2]),
    "on a line of its own": ("# ctxpolicy: ignore[CTX101]\nx = 1", [1]),
    "of several statements": ("x = 1; y = 2  # ctxpolicy: ignore[CTX101]", [1]),
    "in a string": ("x = '# ctxpolicy: ignore[CTX101]'", []),
    "in a longer string": ("x = '''\n# ctxpolicy: ignore[CTX101]\n'''", []),
    "after a string": ("x = '''\n\n'''  # ctxpolicy: ignore[CTX101]", [1, 2, 3]),
    "of another rule": ("x = 1  # ctxpolicy: ignore[CTX102]", []),
    "of all rules": ("x = 1  # ctxpolicy: ignore", []),
    "of none": ("x = 1  # ctxpolicy: ignore[]", []),
    "in small letters": ("x = 1  # ctxpolicy: ignore[ctx101]", []),
    "of another tool": ("x = 1  # otherpolicy: ignore[CTX101]", []),
    "before continued nothing": ("x = 1\nif 1:\n    if 2:\n        y  # ctxpolicy: ignore[CTX101]\n  \\\n\n", [4]),
    "after continued nothing": ("def f():\n    \\\n\n  pass  # ctxpolicy: ignore[CTX101]\n", [4]),
    "before a continued end": ("x = 1  # ctxpolicy: ignore[CTX101]\n\\\n ", [1]),
    "in a string that is indented": ("if x:\n  y = '''\n  # ctxpolicy: ignore[CTX101]\n  '''", []),
    "at the end, without a line end": ("x = 1\ny = 2  # ctxpolicy: ignore[CTX101]", [2]),
}


@pytest.mark.parametrize("way", IGNORED)
def test_a_comment_ignores_rules_on_the_lines_of_its_statement(way, read_bytes):
    text, lines = IGNORED[way]
    file = read_bytes(text.encode())
    assert [line for line in range(1, text.count("\n") + 2) if file.ignores(line, "CTX101")] == lines


def test_comments_are_searched_only_once(read_bytes, monkeypatch):
    file = read_bytes(b"x = 1  # ctxpolicy: ignore[CTX101]")
    assert file.ignores(1, "CTX101")
    monkeypatch.setattr(source, "_codes_by_line", None)
    assert not file.ignores(1, "CTX102")
