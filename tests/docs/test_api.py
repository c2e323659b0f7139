"""The API reference lists exactly the public names of `ctxpolicy`."""

import re
from pathlib import Path

import ctxpolicy
from ctxpolicy import errors

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def names(page):
    """Return the names that a page documents or links to, directly in `ctxpolicy`."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    directives = re.findall(r"^\.\. auto(?:function|class|data|exception):: ctxpolicy\.(\w+)$", text, re.MULTILINE)
    links = re.findall(r"^- \{py:\w+\}`ctxpolicy\.(\w+)`", text, re.MULTILINE)
    return sorted([*directives, *links])


def test_the_api_page_has_each_public_name_once_and_no_other():
    assert names("api.md") == sorted(ctxpolicy.__all__)


def test_the_errors_page_has_each_error_once_and_no_other():
    assert names("errors.md") == sorted(errors.__all__)
