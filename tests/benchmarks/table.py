"""The table of numbers: all rows, and the functions that show the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.benchmarks import of_blocking, of_calls, of_http, of_import, of_isolate, of_jobs, of_many
from tests.benchmarks.results import Figure, Results
from tests.benchmarks.rows import Reach, Row

__all__ = ["ROWS", "as_markdown", "as_text"]

_MODULES = (of_calls, of_many, of_jobs, of_isolate, of_blocking, of_import, of_http)
ROWS = {row.name: row for module in _MODULES for row in module.ROWS}


def as_text(results: Results) -> str:
    """Return a line for each row measured on one Python."""
    return "\n".join(_line(ROWS[name], figure) for name, figure in results.figures.items())


def as_markdown(all_results: Sequence[Results]) -> str:
    """Return the table of several Pythons, with a column for each. Numbers that miss their target are bold."""
    return "\n".join(_markdown_lines(all_results))


def _line(row: Row, figure: Figure) -> str:
    verdict = {None: "", True: "reached", False: "NOT REACHED"}[figure.reached]
    spread = f"{_number(figure.low)} to {_number(figure.high)}"
    times = "" if figure.subject is None or figure.peer is None else f"{_time(figure.subject)} / {_time(figure.peer)}"
    number = f"{_number(figure.value):>7} {row.unit:7} ({spread:>16})"
    return f"{row.name:20} {number}  {times:24} {verdict:12} {_to_reach(row)}"


def _markdown_lines(all_results: Sequence[Results]) -> Iterator[str]:
    pythons = [results.python for results in all_results]
    yield f"| what | against | reach | {' | '.join(pythons)} |"
    yield f"|---|---|---|{'---:|' * len(pythons)}"
    for row in ROWS.values():
        figures = [results.figures.get(row.name) for results in all_results]
        if any(figures):
            yield f"| {row.what} | {row.peer} | {_to_reach(row)} | {' | '.join(_cell(row, each) for each in figures)} |"


def _cell(row: Row, figure: Figure | None) -> str:
    if figure is None:
        return ""
    text = f"{_number(figure.value)} {row.unit}".rstrip()
    return f"**{text}**" if figure.reached is False else text


def _to_reach(row: Row) -> str:
    return "" if row.reach is None else _reach_in_words(row.reach)


def _reach_in_words(reach: Reach) -> str:
    sign = "≥" if reach.least else "≤"
    numbers: dict[float, list[str]] = {}
    for python, number in reach.on.items():
        numbers.setdefault(number, []).append(python)
    exceptions = "; ".join(f"{', '.join(pythons)}: {sign} {number:g}" for number, pythons in numbers.items())
    return f"{sign} {reach.number:g}" + (f" ({exceptions})" if exceptions else "")


def _number(value: float) -> str:
    if value == int(value):
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.3f}" if 0.97 < value < 1.05 else f"{value:.2f}"  # near 1 the third digit matters


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
