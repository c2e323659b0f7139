"""What the check hands back: findings, problems and the report that holds them."""

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
        """Read a version written as in ``3.14``.

        Raises:
            ValueError: If it is not of the form ``3.N``.
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
        file: The path, as it was reached from the paths given.
        line: Counted from 1.
        column: Counted from 1, in characters.
        code: The rule, such as ``CTX101``.
        message: What was found.
        warns: The first Python that warns here, ``None`` where none does.
        fails: The first Python that fails here, ``None`` where none does.
        replacement: What to write in its place.
        certainty: How sure it is that this place fails (or warns) when it is reached.
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
        """Tell whether this place fails on a Python."""
        return self.fails is not None and self.fails <= target


@final
@dataclass(frozen=True)
class Problem:
    """A file or folder that could not be checked, and why.

    Attributes:
        file: The path, as it was reached from the paths given.
        message: What is wrong with it.
        line: Where in the file, if that is known.
    """

    file: str
    message: str
    line: int | None = None


@final
@dataclass(frozen=True)
class Report:
    """All that one check found.

    Attributes:
        target: The Python that the checked code is to run on.
        files: How many files were checked.
        findings: Sorted by file and place.
        problems: What could not be checked.
    """

    target: Version
    files: int = 0
    findings: Sequence[Finding] = field(default_factory=tuple)
    problems: Sequence[Problem] = field(default_factory=tuple)

    @property
    def failing(self) -> list[Finding]:
        """The findings that fail on the target."""
        return [finding for finding in self.findings if finding.fails_on(self.target)]

    def only(
        self, *, select: Collection[str] | None = None, ignore: Collection[str] = (), certainty: Certainty = "possible"
    ) -> Report:
        """Keep some of the findings.

        Args:
            select: The rules to keep, ``None`` for all.
            ignore: The rules to leave out.
            certainty: The least certain grade to keep.
        """
        grades = CERTAINTIES[: CERTAINTIES.index(certainty) + 1]
        kept = [
            finding
            for finding in self.findings
            if (select is None or finding.code in select) and finding.code not in ignore and finding.certainty in grades
        ]
        return replace(self, findings=kept)
