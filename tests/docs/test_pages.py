"""Every example of the documentation and the README runs without a warning."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sybil", reason="sybil, which finds the examples of the pages, is not installed")

ROOT = Path(__file__).parents[2]
# The pages of the static check show what not to write. The tests of the static check read these pages.
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
        pytest.skip("a package that the page needs is not installed")
    assert (run.returncode, run.stderr) == (0, "")


def test_there_are_pages_with_examples():
    assert len(PAGES) > 10
