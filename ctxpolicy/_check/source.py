"""A source file, read and parsed but never run: its tree, its columns and its ignore comments."""

from __future__ import annotations

import ast
import codecs
import io
import re
import sys
import tokenize
import warnings
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, final

from ctxpolicy._check.report import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 16 * 1024 * 1024
"""Bytes; the tree of a file this large takes more than a gigabyte."""

_MARK = "ctxpolicy:"
_IGNORE = re.compile(r"#\s*ctxpolicy:\s*ignore\[([^\]]*)\]")
_BETWEEN_STATEMENTS = {tokenize.NL, tokenize.COMMENT}
_INDENTATION = " \t\x0c"
_THIS_PYTHON = f"read as Python {sys.version_info[0]}.{sys.version_info[1]}"


@final
class UnreadableError(Exception):
    """A file that cannot be checked."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@final
class Source:
    """One file's text and syntax tree."""

    def __init__(self, file: str, text: str, tree: ast.Module) -> None:
        self.file = file
        self.text = text
        self.tree = tree
        self._lines = text.split("\n")
        self._ignored: dict[int, set[str]] | None = None

    def column(self, line: int, offset: int) -> int:
        """Turn an offset in UTF-8 bytes, as ``ast`` counts, into a column in characters, counted from 1."""
        return len(self._lines[line - 1].encode()[:offset].decode(errors="replace")) + 1

    def ignores(self, line: int, code: str) -> bool:
        """Tell whether a comment says to ignore a rule there."""
        if self._ignored is None:
            self._ignored = _ignored(self.text) if _MARK in self.text else {}
        return code in self._ignored.get(line, ())


def read(file: str) -> Source:
    """Read and parse a file.

    Raises:
        UnreadableError: If that cannot be done.
    """
    text = _text(file, _bytes(file))
    return Source(file, text, _tree(file, text))


def _bytes(file: str) -> bytes:
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise UnreadableError(Problem(file, f"cannot be read: {error.strerror}")) from None
    if len(data) > LARGEST:
        raise UnreadableError(Problem(file, f"is larger than {LARGEST >> 20} MiB"))
    if b"\0" in data:
        raise UnreadableError(Problem(file, "is not Python source: it has null bytes"))
    return data


def _text(file: str, data: bytes) -> str:
    """Decode as PEP 263 says, with the line ends that the parser counts."""
    try:
        text = data.decode(_encoding(data))
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise UnreadableError(Problem(file, f"cannot be decoded: {error}")) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(data: bytes) -> str:
    """Find what PEP 263 says of a file's encoding.

    ``detect_encoding`` refuses a line with the declaration and other than UTF-8 text in it, which Python accepts: it
    gets to see the ASCII of the two lines that count.
    """
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    lines = data[len(mark) :].splitlines(keepends=True)[:2]
    head = mark + b"".join(lines).decode("ascii", "replace").replace("\ufffd", "?").encode()
    return tokenize.detect_encoding(io.BytesIO(head).readline)[0]


def _tree(file: str, text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the checked code, such as of its invalid escapes
            return ast.parse(text)
    except SyntaxError as error:
        raise UnreadableError(
            Problem(file, f"has a syntax error: {error.msg} ({_THIS_PYTHON})", error.lineno)
        ) from None
    except ValueError as error:
        raise UnreadableError(Problem(file, f"cannot be parsed: {error}")) from None
    except (RecursionError, MemoryError):
        raise UnreadableError(Problem(file, f"is nested too deeply to be parsed ({_THIS_PYTHON})")) from None


def _ignored(text: str) -> dict[int, set[str]]:
    """Give the rules to ignore per line.

    A comment speaks for its own line, and one on the first or last line of a statement for all of the statement's
    lines (of a compound statement: of its header).
    """
    ignored: dict[int, set[str]] = defaultdict(set)
    codes: dict[int, set[str]] = {}
    first = None
    for token in _tokens(text):
        line = token.start[0]
        if token.type == tokenize.COMMENT:
            codes[line] = _codes(token.string)
            ignored[line] |= codes[line]
        if first is None and token.type not in _BETWEEN_STATEMENTS:
            first = line
        if first is not None and token.type == tokenize.NEWLINE:
            spoken = codes.get(first, set()) | codes.get(line, set())
            for each in range(first, line + 1):
                ignored[each] |= spoken
            first = None
    return ignored


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    """Give the tokens of a text that can be parsed, with the lines that they are on.

    ``tokenize`` refuses some such texts, each for one of two things that do not matter here and so are not shown to
    it: the indentation, and the end of the file right after a continued line.
    """
    lines = (line.lstrip(_INDENTATION) for line in io.StringIO(text + "\n"))
    return tokenize.generate_tokens(lambda: next(lines, ""))


def _codes(comment: str) -> set[str]:
    return {code.strip() for found in _IGNORE.findall(comment) for code in found.split(",")}
