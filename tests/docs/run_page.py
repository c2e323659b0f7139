"""Run all Python examples of one page of the docs, in order: ``python -m tests.docs.run_page PAGE``."""

from __future__ import annotations

import sys
from pathlib import Path

from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser


def main(page: str) -> None:
    document = Sybil(parsers=[PythonCodeBlockParser()]).parse(Path(page))
    count = 0
    for example in document.examples():
        example.evaluate()
        count += 1
    print(f"{count} examples")


if __name__ == "__main__":
    main(sys.argv[1])
