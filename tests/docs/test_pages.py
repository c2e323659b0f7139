"""Every example of the docs and the README runs, with warnings as errors."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sybil", reason="the docs' examples are found by sybil")

ROOT = Path(__file__).parents[2]
# The pages of the static check show what not to write; its own tests read them.
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if "check" not in page.relative_to(ROOT).parts and "```python" in page.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_example_of_a_page_runs_from_the_first_to_the_last(page):
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.docs.run_page", page],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if run.returncode == 0 and "examples" not in run.stdout:
        pytest.skip("the page says that a package which it needs is not there")
    assert (run.returncode, run.stderr) == (0, "")


def test_there_are_pages_with_examples():
    assert len(PAGES) > 10
