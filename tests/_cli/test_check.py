from __future__ import annotations

import argparse
import io
import json
import sys

import pytest

from ctxpolicy._check import RULES
from ctxpolicy._cli.check import add_arguments, main

GONE = "import asyncio\nasyncio.get_event_loop_policy()\n"
GUARDED = "import asyncio, sys\nif sys.version_info < (3, 16): asyncio.get_event_loop_policy()\n"
FINE = "import asyncio\nasyncio.run(main())\n"


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """A function that writes files, runs the command on them, and returns its exit status and what it wrote."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **files: str) -> tuple[int, str, str]:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        parser = argparse.ArgumentParser(prog="check")
        add_arguments(parser)
        status = main(parser.parse_args(arguments))
        return status, *capsys.readouterr()

    return run


def test_a_finding_is_one_line_in_the_format_of_editors_and_one_line_of_details(check):
    status, out, err = check("a.py", a=GONE)
    place, more, summary = out.splitlines()
    assert place == "a.py:2:1: CTX101 asyncio.get_event_loop_policy is gone in Python 3.16"
    assert more.startswith(
        "    certain; warns since Python 3.14, fails since Python 3.16; instead: asyncio.new_event_loop()"
    )
    assert summary == "1 finding in 1 file, 1 failing on Python 3.16"
    assert (status, err) == (1, "")


def test_nothing_found_is_success(check):
    assert check("a.py", "b.py", a=FINE, b="") == (0, "0 findings in 2 files, 0 failing on Python 3.16\n", "")


@pytest.mark.parametrize(("target", "status"), [("3.13", 0), ("3.15", 0), ("3.16", 1), ("3.20", 1)])
def test_only_findings_that_fail_on_the_target_cause_a_failure(target, status, check):
    result, out, _ = check("a.py", "--target", target, a=GONE)
    assert result == status
    assert out.endswith(f"1 finding in 1 file, {status} failing on Python {target}\n")


def test_a_finding_that_only_warns_is_shown_and_causes_no_failure(check):
    status, out, _ = check("a.py", a=GUARDED)
    assert status == 0
    assert "certain; warns since Python 3.14; instead: " in out


def test_a_finding_that_never_fails_is_shown_and_causes_no_failure(check):
    work = "import asyncio\ndef work(): asyncio.set_event_loop(loop)\npool.submit(work)\n"
    status, out, _ = check("a.py", a=work)
    assert status == 0
    assert "likely; no Python warns or fails; instead: " in out


def test_a_file_that_cannot_be_checked_is_reported_on_stderr_and_causes_no_failure(check):
    status, out, err = check(".", a=GUARDED, b="1 +\n", c="# \0")
    assert status == 0
    first, second = err.splitlines()
    assert first.startswith("./b.py:1: not checked: has a syntax error: invalid syntax")
    assert second == "./c.py: not checked: is not Python source: it has null bytes"
    assert out.endswith("1 finding in 1 file, 0 failing on Python 3.16; 2 not checked\n")


def test_json_has_the_complete_report(check):
    status, out, err = check("--json", "a.py", "b.py", "--target=3.15", a=GONE, b="\n1 +\n")
    report = json.loads(out)
    assert (status, err) == (0, "")
    (finding,), (problem,) = report.pop("findings"), report.pop("problems")
    assert report == {"target": "3.15", "files": 1}
    assert finding.pop("replacement").startswith("asyncio.new_event_loop()")
    assert finding == {
        "file": "a.py",
        "line": 2,
        "column": 1,
        "code": "CTX101",
        "message": "asyncio.get_event_loop_policy is gone in Python 3.16",
        "warns": "3.14",
        "fails": "3.16",
        "certainty": "certain",
        "fails_on_target": False,
    }
    assert (problem["file"], problem["line"]) == ("b.py", 2)
    assert problem["message"].startswith("has a syntax error")


def test_json_says_null_if_no_python_fails(check):
    status, out, _ = check("--json", "a.py", a=GUARDED)
    (finding,) = json.loads(out)["findings"]
    assert (status, finding["fails"], finding["fails_on_target"]) == (0, None, False)


MIXED = (
    "import asyncio\nasyncio.get_event_loop_policy()\nasyncio.get_child_watcher()\ndef f(): asyncio.get_event_loop()\n"
)


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ([], ["CTX101", "CTX201", "CTX301"]),
        (["--select", "CTX101,CTX301"], ["CTX101", "CTX301"]),
        (["--select=CTX201, CTX101", "--ignore", "CTX101"], ["CTX201"]),
        (["--ignore", "CTX101,CTX201,CTX301"], []),
        (["--certainty", "likely"], ["CTX101", "CTX201"]),
        (["--certainty", "possible"], ["CTX101", "CTX201", "CTX301"]),
        (["--select", "CTX301", "--certainty", "certain"], []),
    ],
)
def test_rules_and_certainties_can_be_chosen_and_decide_the_exit_status(options, codes, check):
    status, out, _ = check("--json", "a.py", *options, a=MIXED)
    assert [finding["code"] for finding in json.loads(out)["findings"]] == codes
    assert status == bool(codes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: PATH"),
        (["a.py", "--target", "2.7"], "'2.7' is not a Python version of the form 3.N"),
        (["a.py", "--target", "new"], "'new' is not a Python version of the form 3.N"),
        (["a.py", "--select", "CTX999"], "no such rule: CTX999 (the rules are CTX101"),
        (["a.py", "--ignore", "CTX101,"], "no such rule: "),
        (["a.py", "--certainty", "sure"], "invalid choice: 'sure'"),
    ],
)
def test_bad_arguments_are_reported(arguments, message, check, capsys):
    with pytest.raises(SystemExit) as caught:
        check(*arguments, a=GONE)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_missing_paths_are_reported_and_nothing_is_checked(check):
    status, out, err = check("a.py", "missing.py", "nowhere/at/all", a=GONE)
    assert (status, out, err) == (2, "", "error: no such file or folder: missing.py, nowhere/at/all\n")


def test_an_empty_path_is_an_error(check):
    assert check("")[0] == 2


def test_help_says_what_the_exit_status_means(check, capsys):
    with pytest.raises(SystemExit):
        check("--help")
    assert "exit status is 1 if" in " ".join(capsys.readouterr().out.split())


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names of any bytes")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_file_names_that_cannot_be_written_are_escaped(encoding, tmp_path, monkeypatch):
    name = b"\xff\xc3\xa4.py".decode("utf-8", "surrogateescape")
    (tmp_path / name).write_text(GONE)
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert main(parser.parse_args([str(tmp_path)])) == 1
    stream.flush()
    written = stream.buffer.getvalue().decode(encoding)
    assert "\\udcff" in written
    assert ("ä" in written) == (encoding == "utf-8")


def test_output_without_an_encoding_is_written(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text(FINE)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert main(parser.parse_args([str(tmp_path)])) == 0
    assert stream.getvalue() == "0 findings in 1 file, 0 failing on Python 3.16\n"


def test_every_rule_can_be_selected(check):
    assert check("a.py", "--select", ",".join(RULES), a=FINE)[0] == 0
