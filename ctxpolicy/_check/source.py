"""A source file that is read and parsed but never run: its syntax tree, columns and ignore comments."""

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

MAX_BYTES = 16 * 1024 * 1024
"""The largest size of a checked file in bytes. The syntax tree of such a file takes more than a gigabyte."""

_COMMENT_PREFIX = "ctxpolicy:"
_IGNORE = re.compile(r"#\s*ctxpolicy:\s*ignore\[([^\]]*)\]")
_BETWEEN_STATEMENTS = {tokenize.NL, tokenize.COMMENT}
_INDENTATION = " \t\x0c"
_THIS_PYTHON = f"read as Python {sys.version_info[0]}.{sys.version_info[1]}"


@final
class UnreadableError(Exception):
    """The file cannot be checked."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@final
class Source:
    """The text and the syntax tree of one file."""

    def __init__(self, file: str, text: str, tree: ast.Module) -> None:
        self.file = file
        self.text = text
        self.tree = tree
        self._lines = text.split("\n")
        self._ignored_by_line: dict[int, set[str]] | None = None

    def column(self, line: int, offset: int) -> int:
        """Convert an offset in UTF-8 bytes, which ``ast`` uses, into a column in characters, counted from 1."""
        return len(self._lines[line - 1].encode()[:offset].decode(errors="replace")) + 1

    def ignores(self, line: int, code: str) -> bool:
        """Return whether a comment tells the check to ignore this rule on this line."""
        if self._ignored_by_line is None:
            self._ignored_by_line = _codes_by_line(self.text) if _COMMENT_PREFIX in self.text else {}
        return code in self._ignored_by_line.get(line, ())


def read_source(file: str) -> Source:
    """Read and parse a file.

    Raises:
        UnreadableError: If the file cannot be read, decoded or parsed.
    """
    text = _text(file, _bytes(file))
    return Source(file, text, _tree(file, text))


def _bytes(file: str) -> bytes:
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableError(Problem(file, f"cannot be read: {error.strerror}")) from None
    if len(data) > MAX_BYTES:
        raise UnreadableError(Problem(file, f"is larger than {MAX_BYTES >> 20} MiB"))
    if b"\0" in data:
        raise UnreadableError(Problem(file, "is not Python source: it has null bytes"))
    return data


def _text(file: str, data: bytes) -> str:
    """Decode the file as PEP 263 requires, and convert line ends to those that the parser counts."""
    try:
        text = data.decode(_encoding(data))
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise UnreadableError(Problem(file, f"cannot be decoded: {error}")) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(data: bytes) -> str:
    """Return the encoding that PEP 263 gives a file.

    ``tokenize.detect_encoding`` refuses a declaration line that also contains text in another encoding than UTF-8.
    Python accepts such a line. Therefore ``detect_encoding`` gets only the ASCII characters of the first two lines,
    which may contain the declaration.
    """
    bom = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    lines = data[len(bom) :].splitlines(keepends=True)[:2]
    head = bom + b"".join(lines).decode("ascii", "replace").replace("\ufffd", "?").encode()
    return tokenize.detect_encoding(io.BytesIO(head).readline)[0]


def _tree(file: str, text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about the checked code, such as those about invalid escapes
            return ast.parse(text)
    except SyntaxError as error:
        raise UnreadableError(
            Problem(file, f"has a syntax error: {error.msg} ({_THIS_PYTHON})", error.lineno)
        ) from None
    except ValueError as error:
        raise UnreadableError(Problem(file, f"cannot be parsed: {error}")) from None
    except (RecursionError, MemoryError):
        raise UnreadableError(Problem(file, f"is nested too deeply to be parsed ({_THIS_PYTHON})")) from None


def _codes_by_line(text: str) -> dict[int, set[str]]:
    """Return the codes of the ignored rules for each line.

    A comment applies to its own line. A comment on the first or last line of a statement applies to all lines of the
    statement, or of its header if it is a compound statement.
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
            statement_codes = codes.get(first, set()) | codes.get(line, set())
            for each in range(first, line + 1):
                ignored[each] |= statement_codes
            first = None
    return ignored


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    """Return the tokens of a text that can be parsed, with correct line numbers.

    ``tokenize`` refuses some of these texts, either because of their indentation or because the file ends right after a
    continued line. Neither matters for comments. Therefore ``tokenize`` gets the lines without indentation, and one
    more line end.
    """
    lines = (line.lstrip(_INDENTATION) for line in io.StringIO(text + "\n"))
    return tokenize.generate_tokens(lambda: next(lines, ""))


def _codes(comment: str) -> set[str]:
    return {code.strip() for found in _IGNORE.findall(comment) for code in found.split(",")}
