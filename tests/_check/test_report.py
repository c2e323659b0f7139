from __future__ import annotations

import pytest

from ctxpolicy._check import Finding, Report, Version

REMOVED_IN = Version(3, 16)


def finding(code: str = "CTX101", certainty="certain", fails: Version | None = REMOVED_IN) -> Finding:
    return Finding("a.py", 1, 1, code, "gone", None, fails, "something else", certainty)


def test_a_version_can_be_parsed_and_formatted():
    assert Version.parse("3.9") < Version.parse("3.16")
    assert str(Version.parse("3.16")) == "3.16"


@pytest.mark.parametrize("text", ["", "3", "2.7", "3.x", "3.16.0", "3.-1", "4.0", " 3.16", "3.16\n", "3.٣"])
def test_a_version_of_another_form_is_refused(text):
    with pytest.raises(ValueError, match=r"is not a Python version of the form 3\.N"):
        Version.parse(text)


def test_a_finding_fails_from_its_first_failing_python_on():
    assert not finding().fails_on(Version(3, 15))
    assert finding().fails_on(Version(3, 16))
    assert finding().fails_on(Version(3, 17))
    assert not finding(fails=None).fails_on(Version(3, 99))


def test_a_report_lists_the_findings_that_fail_on_its_target():
    old, new = finding(fails=Version(3, 14)), finding(fails=Version(3, 16))
    assert Report(Version(3, 15), 1, [old, new]).failing == [old]


def test_a_report_can_be_filtered_by_rule_and_certainty():
    certain, likely, possible = finding("CTX101"), finding("CTX102", "likely"), finding("CTX103", "possible")
    report = Report(Version(3, 16), 1, [certain, likely, possible])
    assert report.filtered().findings == [certain, likely, possible]
    assert report.filtered(select=["CTX102"]).findings == [likely]
    assert report.filtered(select=[]).findings == []
    assert report.filtered(ignore=["CTX102"]).findings == [certain, possible]
    assert report.filtered(certainty="likely").findings == [certain, likely]
    assert report.filtered(certainty="certain").findings == [certain]
    assert report.filtered(certainty="certain").files == 1
