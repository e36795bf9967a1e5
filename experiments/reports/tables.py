"""Tables of a report as Markdown, LaTeX and CSV, and the numbers in their cells."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.statistics.aggregates import Aggregate

CSV_COLUMNS = {
    "mean": "mean",
    "std": "std",
    "sem": "sem",
    "lower": "quartile1",
    "median": "median",
    "upper": "quartile3",
    "low": "ci95_low",
    "high": "ci95_high",
}
"""Statistic of an Aggregate -> its name in table.csv."""
DASH = "–"
NUMBER = re.compile(rf"([<+-]? ?[\d.]|{DASH}$|$)")
"""Beginning of a cell that holds a number or nothing."""
SEARCHED, ONE_SHOT = "searched validation", "one-shot validation"
"""Headings of the scores for which searches chose: at the search fidelity, or with shared weights."""


def plus_minus(value: Aggregate, digits: int = 2) -> str:
    """'94.08 ± 0.26'; '94.08' for a single run; a dash if no run has a value."""
    if value.count <= 1:
        return f"{value.mean:,.{digits}f}" if value.count else DASH
    return f"{value.mean:,.{digits}f} ± {value.std:,.{digits}f}"


def seconds(value: float) -> str:
    """'1,234', '56.7' or '0.05'."""
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def number(value: float) -> str:
    return DASH if math.isnan(value) else f"{value:.2f}"


def joined(cells: Iterable[str]) -> str:
    """One cell for all data sets if they agree, otherwise all cells separated by slashes."""
    cells = list(cells)
    return " / ".join(cells[:1] if len(set(cells)) == 1 else cells)


def markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from tabulate import tabulate  # slow to import, and only reports need it

    safe = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    text: str = tabulate(safe, headers, tablefmt="pipe", colalign=_alignment(headers, rows), disable_numparse=True)
    return text


def latex(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from tabulate import tabulate

    alignment = _alignment(headers, rows)
    text: str = tabulate(rows, headers, tablefmt="latex_booktabs", colalign=alignment, disable_numparse=True)
    return text.replace("±", r"$\pm$").replace("|", r"\textbar{}").replace(DASH, "--")


def _alignment(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Alignment of each column: 'right' for numbers, 'left' otherwise."""
    columns = zip(*rows, strict=True) if rows else [()] * len(headers)
    return ["right" if all(NUMBER.match(cell) for cell in column) else "left" for column in columns]


Fact = str | int | float


class ReportTable(NamedTuple):
    """A table of a report."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    facts: Sequence[Mapping[str, Fact]]
    """The lines of the CSV file as mappings column -> value in full precision; NaN becomes an empty cell."""


def write_table(table: ReportTable, stem: Path) -> str:
    """Write a table as Markdown, LaTeX and CSV, `stem` with the suffix appended; return it as Markdown."""
    text = markdown(table.headers, table.rows)
    stem.with_name(f"{stem.name}.md").write_text(text + "\n", "utf-8")
    stem.with_name(f"{stem.name}.tex").write_text(latex(table.headers, table.rows) + "\n", "utf-8")
    columns = list(dict.fromkeys(name for row in table.facts for name in row))
    with stem.with_name(f"{stem.name}.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: value for name, value in row.items() if not isinstance(value, float) or not math.isnan(value)}
            for row in table.facts
        )
    return text


def statistics_columns(quantity: str, value: Aggregate) -> dict[str, float]:
    return {f"{quantity}_{name}": float(getattr(value, field)) for field, name in CSV_COLUMNS.items()}


def without_nan(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if not math.isnan(value)}
