"""The data that the check returns: findings, problems, and the report that contains them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Certainty = Literal["certain", "likely", "possible"]

CERTAINTIES: tuple[Certainty, ...] = ("certain", "likely", "possible")


@final
class Version(NamedTuple):
    """A feature release of Python, such as 3.14."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Parse a version such as ``3.14``.

        Raises:
            ValueError: If the text is not of the form ``3.N``.
        """
        if not re.fullmatch(r"3\.[0-9]{1,3}", text):
            raise ValueError(f"{text!r} is not a Python version of the form 3.N, such as 3.16")
        major, minor = text.split(".")
        return cls(int(major), int(minor))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


DEFAULT_TARGET = Version(3, 16)


@final
@dataclass(frozen=True)
class Finding:
    """One place in a source file that a newer Python changes or breaks.

    Attributes:
        file: The path of the file, which starts with one of the checked paths.
        line: The line number, counted from 1.
        column: The column in characters, counted from 1.
        code: The code of the rule, such as ``CTX101``.
        message: The description of what was found.
        warns: The first Python version that warns here; ``None`` if no version warns.
        fails: The first Python version that fails here; ``None`` if no version fails.
        replacement: The code to write instead.
        certainty: How certain it is that this place warns or fails when it is reached.
    """

    file: str
    line: int
    column: int
    code: str
    message: str
    warns: Version | None
    fails: Version | None
    replacement: str
    certainty: Certainty

    def fails_on(self, target: Version) -> bool:
        """Return whether this place fails on the given Python version."""
        return self.fails is not None and self.fails <= target


@final
@dataclass(frozen=True)
class Problem:
    """A file or folder that could not be checked.

    Attributes:
        file: The path, which starts with one of the checked paths.
        message: The reason.
        line: The line number of the problem, if known.
    """

    file: str
    message: str
    line: int | None = None


@final
@dataclass(frozen=True)
class Report:
    """The result of one check.

    Attributes:
        target: The Python version that the checked code must run on.
        files: The number of files that were checked.
        findings: The findings, sorted by file and position.
        problems: The files and folders that could not be checked.
    """

    target: Version
    files: int = 0
    findings: Sequence[Finding] = field(default_factory=tuple)
    problems: Sequence[Problem] = field(default_factory=tuple)

    @property
    def failing(self) -> list[Finding]:
        """The findings that fail on the target."""
        return [finding for finding in self.findings if finding.fails_on(self.target)]

    def filtered(
        self, *, select: Collection[str] | None = None, ignore: Collection[str] = (), certainty: Certainty = "possible"
    ) -> Report:
        """Return a report that contains only some of the findings.

        Args:
            select: The codes of the rules to keep; ``None`` keeps all.
            ignore: The codes of the rules to leave out.
            certainty: The lowest certainty to keep.
        """
        grades = CERTAINTIES[: CERTAINTIES.index(certainty) + 1]
        kept = [
            finding
            for finding in self.findings
            if (select is None or finding.code in select) and finding.code not in ignore and finding.certainty in grades
        ]
        return replace(self, findings=kept)
