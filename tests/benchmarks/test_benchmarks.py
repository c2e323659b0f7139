"""Every benchmark runs and returns numbers. The numbers depend on the machine, and are not tested."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("pyperf", reason="the benchmarks need the package pyperf")

from ctxpolicy._asyncio.capabilities import HAS_POLICIES
from tests.benchmarks.measure import Effort, Measured
from tests.benchmarks.results import Results, figure, results
from tests.benchmarks.rows import Reach
from tests.benchmarks.table import ROWS, as_markdown, as_text

TINY = Effort(seconds=0.001, many=1000, jobs=20)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_row_is_measured(row):
    if (why_not := row.unavailable()) is not None:
        pytest.skip(f"{row.name}: {why_not}")
    if row.name.endswith("-uvloop") and not HAS_POLICIES:
        pytest.skip("uvloop has no policy if asyncio has none")
    measured = row.measure(TINY)
    assert math.isfinite(measured.value)
    if row.unit:
        return  # a difference may have either sign
    assert measured.value > 0
    assert measured.subject > 0
    assert measured.peer > 0


def test_a_finished_job_leaves_no_descriptor_open():
    row = ROWS["lease-descriptors"]
    if (why_not := row.unavailable()) is not None:
        pytest.skip(why_not)
    assert row.measure(TINY).value == 0


def test_results_can_be_saved_and_shown(tmp_path):
    row = ROWS["get"]
    measured = [Measured(ratio, ratio * 1e-7, 1e-7) for ratio in (0.5, 0.75, 3.0)]
    results({"get": figure(row, measured)}).write(tmp_path / "kept.json")
    kept = Results.read(tmp_path / "kept.json")
    assert (kept.figures["get"].value, kept.figures["get"].low, kept.figures["get"].high) == (0.75, 0.5, 3.0)
    assert as_text(kept).startswith("get ")
    assert as_markdown([kept, kept]).splitlines()[-1].endswith("| 0.75 | 0.75 |")


@pytest.mark.parametrize(
    ("reach", "value", "reached"),
    [
        (Reach(0.8, {"3.14": 0.95}), 0.9, {"3.13": False, "3.14": True}),
        (Reach(0.99, least=True), 0.98, {"3.13": False}),
        (Reach(0.99, least=True, within_spread=True), 0.98, {"3.13": True}),
        (Reach(0.9, within_spread=True), 0.95, {"3.13": True}),
    ],
)
def test_a_target_is_reached_or_not(reach, value, reached):
    assert {python: reach.reached(value, value - 0.1, value + 0.1, python) for python in reached} == reached
