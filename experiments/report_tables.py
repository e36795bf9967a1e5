"""The tables of a report: how the searches ended, as rows of text, and as Markdown, LaTeX and CSV.

The first is of all algorithms; the second, only of weight-sharing methods, has what only they have.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from experiments.comparison import Entry
from experiments.records import StudyHeader
from experiments.shared_statistics import shared_finals
from experiments.statistics import Aggregate, Final
from nas_algos.weight_sharing import PHASES

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
"""How a cell begins that holds a number or nothing."""
SEARCHED, ONE_SHOT = "searched validation", "one-shot validation"
"""Head the column of the scores that the searches were told: at the search fidelity, or with shared weights."""
SHARED_COLUMNS = {
    "test": "test (%)",
    "regret": "regret (points)",
    "rank": "rank",
    "beats": "beats (%)",
    "one_shot_validation": "one-shot validation (%)",
    "search_seconds": "search (s)",
    **{f"{phase}_seconds": f"{phase} (s)" for phase in PHASES},
    "relative_entropy": "relative entropy",
}
"""Of `shared_finals` -> heading; traits of the space follow under their own names."""


def final_table(header: StudyHeader, entries: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """(headers, rows) of how the searches ended, a row per algorithm: the form of the papers.

    Validation and test percent are mean ± standard deviation over runs. The last row is the optimum, if it is known.
    """
    datasets, validated = header.settings["datasets"], _validated(entries)
    measured = [f"{dataset} {split} (%)" for dataset in datasets for split in (validated, "test")]
    rows = []
    for entry in entries:
        runs, validation, test, evaluations = zip(
            *(_cells(entry, dataset, validated) for dataset in datasets), strict=True
        )
        accuracies = [cell for pair in zip(validation, test, strict=True) for cell in pair]
        rows.append([entry.text, joined(runs), *accuracies, joined(evaluations)])
    if header.optima:
        optima = [header.optima[dataset] for dataset in datasets]
        best = [number(value) for optimum in optima for value in (optimum.validation, optimum.test)]
        rows.append(["optimum", "", *best, ""])
    return ["algorithm", "runs", *measured, "evaluations"], rows


def long_table(header: StudyHeader, entries: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """(headers, rows) of the same numbers for a terminal: a row per data set and algorithm."""
    rows, validated = [], _validated(entries)
    for dataset in header.settings["datasets"]:
        rows += [[dataset, entry.text, *_cells(entry, dataset, validated)] for entry in entries]
        if optimum := header.optima.get(dataset):
            rows.append([dataset, "optimum", "", number(optimum.validation), number(optimum.test), ""])
    return ["data set", "algorithm", "runs", f"{validated} (%)", "test (%)", "evaluations"], rows


def _validated(entries: Sequence[Entry]) -> str:
    """What the validation column shows: the search's own score where the benchmark has no other validation."""
    if any(end.validation.count for entry in entries for end in entry.finals.values()):
        return "validation"
    return ONE_SHOT if all(entry.shared for entry in entries) else SEARCHED


def _cells(entry: Entry, dataset: str, validated: str) -> tuple[str, str, str, str]:
    """(runs, validation, test, evaluations)."""
    end = entry.finals.get(dataset)
    if end is None:
        return "0", DASH, DASH, DASH
    test = plus_minus(end.test)
    if entry.shared:  # nothing was evaluated but with shared weights, which compares with nothing else
        return str(end.runs), plus_minus(end.score if validated == ONE_SHOT else end.validation), test, DASH
    validation = end.score if validated == SEARCHED else end.validation
    return str(end.runs), plus_minus(validation), test, f"{end.evaluations:.1f}"


def plus_minus(value: Aggregate, digits: int = 2) -> str:
    """'94.08 ± 0.26'; '94.08' of a single run; a dash if no run has a value."""
    if value.count <= 1:
        return f"{value.mean:,.{digits}f}" if value.count else DASH
    return f"{value.mean:,.{digits}f} ± {value.std:,.{digits}f}"


def shared_table(entries: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """(headers, rows) of what only weight-sharing methods have, a row per method and data set.

    Accuracies, regret, rank, entropy and traits are mean ± standard deviation over runs, seconds the mean.
    """
    rows, traits = [], []
    for entry in entries:
        for dataset, runs in entry.epochs.items():
            finals = _shared_finals(entry, dataset)
            traits = [name for name in finals if name not in SHARED_COLUMNS]
            cells = [
                seconds(float(value.mean))
                if name.endswith("seconds")
                else plus_minus(value, {"rank": 0, "beats": 1}.get(name, 2))
                for name, value in finals.items()
            ]
            rows.append([entry.text, str(len(runs.number)), str(runs.epochs), *cells])
    optima = {name: best for entry in entries for name, best in entry.study.header.optima.items()}
    for best in optima.values():
        if not math.isnan(best.mean_test):
            spread = f" ± {number(best.std_test)}" if best.architectures else ""
            known = {
                "test": number(best.mean_test) + spread,
                "regret": number(best.test - best.mean_test) + spread,
                "beats": "50.0",
            }
            cells = [known.get(name, "") for name in [*SHARED_COLUMNS, *traits]]
            rows.append(["random architecture", "", "", *cells])
    return ["method", "runs", "epochs", *SHARED_COLUMNS.values(), *traits], rows


def _shared_finals(entry: Entry, dataset: str) -> dict[str, Aggregate]:
    """In the order of SHARED_COLUMNS, then traits."""
    header = entry.study.header
    best = header.optima.get(dataset)
    known = (best.test, best.architectures) if best else ()
    finals = shared_finals(entry.epochs[dataset], header.settings, *known)
    return {name: finals[name] for name in SHARED_COLUMNS} | finals


def seconds(value: float) -> str:
    """'1,234', '56.7' or '0.05'."""
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def number(value: float) -> str:
    return DASH if math.isnan(value) else f"{value:.2f}"


def joined(cells: Iterable[str]) -> str:
    """One cell for all data sets if they agree, otherwise one after the other."""
    cells = list(cells)
    return " / ".join(cells[:1] if len(set(cells)) == 1 else cells)


def markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    safe = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    text: str = tabulate(safe, headers, tablefmt="pipe", colalign=_alignment(headers, rows), disable_numparse=True)
    return text


def latex(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    alignment = _alignment(headers, rows)
    text: str = tabulate(rows, headers, tablefmt="latex_booktabs", colalign=alignment, disable_numparse=True)
    return text.replace("±", r"$\pm$").replace("|", r"\textbar{}").replace(DASH, "--")


def _alignment(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """'right' for columns of numbers, 'left' for others."""
    columns = zip(*rows, strict=True) if rows else [()] * len(headers)
    return ["right" if all(NUMBER.match(cell) for cell in column) else "left" for column in columns]


Fact = str | int | float


class Table(NamedTuple):
    """A table of a report."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    facts: Sequence[Mapping[str, Fact]]
    """The same as one mapping per line of the CSV file: column -> value in full precision; NaN becomes empty."""


def write_table(table: Table, stem: Path) -> str:
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


def write_csv(path: Path, header: StudyHeader, entries: Sequence[Entry]) -> None:
    """One line per algorithm and data set, numbers in full precision, empty where there is none."""
    columns = [
        f"{split}_{name}" for split in ("searched_validation", "validation", "test") for name in CSV_COLUMNS.values()
    ]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(
            stream, ["algorithm", "dataset", "runs", *columns, "evaluations_mean", "search_host_seconds_mean"],
            lineterminator="\n",
        )  # fmt: skip
        writer.writeheader()
        for entry in entries:
            for dataset, end in entry.finals.items():
                row = _csv_row(entry, end)
                writer.writerow({"algorithm": entry.text, "dataset": dataset, "runs": end.runs, **_without_nan(row)})
        for dataset, optimum in header.optima.items():
            row = {"validation_mean": optimum.validation, "test_mean": optimum.test}
            writer.writerow({"algorithm": "optimum", "dataset": dataset, **_without_nan(row)})


def _csv_row(entry: Entry, end: Final) -> dict[str, float]:
    row = _statistics("validation", end.validation) | _statistics("test", end.test)
    row["search_host_seconds_mean"] = end.search_seconds
    if entry.shared:
        return row
    return row | _statistics("searched_validation", end.score) | {"evaluations_mean": end.evaluations}


def write_shared_csv(path: Path, entries: Sequence[Entry]) -> None:
    """`shared_table` in full precision, with every statistic; empty where there is none."""
    rows, columns = [], []
    for entry in entries:
        for dataset, runs in entry.epochs.items():
            names = {"method": entry.text, "dataset": dataset}
            row: dict[str, float] = {"runs": len(runs.number), "epochs": runs.epochs}
            for name, value in _shared_finals(entry, dataset).items():
                row |= _statistics(name.replace(" ", "_"), value)
            columns = [*names, *row]
            rows.append({**names, **_without_nan(row)})
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _statistics(quantity: str, value: Aggregate) -> dict[str, float]:
    return {f"{quantity}_{name}": float(getattr(value, field)) for field, name in CSV_COLUMNS.items()}


def _without_nan(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if not math.isnan(value)}
