"""Section: how the searches ended."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from experiments.records.study import StudyHeader, is_weight_sharing
from experiments.reports.entries import Entry, RecordedStudy
from experiments.reports.tables import (
    CSV_COLUMNS,
    DASH,
    ONE_SHOT,
    SEARCHED,
    _statistics,
    _without_nan,
    joined,
    number,
    plus_minus,
)
from experiments.statistics.aggregates import Final

TABLE_RULE = (
    "Percent accuracy at the reporting fidelity of the last incumbent of each run, mean ± standard deviation over runs "
    "(population, as in the papers). {crossing}{shared}{optimum}Evaluations are trials per run, mean. Several numbers "
    "in a cell are in the order of the data sets. Full precision: [table.csv](table.csv); for a paper: "
    "[table.tex](table.tex)."
)


CROSSING = "The evaluation that crosses the budget counts if the study keeps it (`crossing`). "


SHARED = (
    "The incumbent of a weight-sharing method is what its last epoch derived. It evaluates no trained architecture; "
    "validation with shared weights is called one-shot: see [Weight sharing](#weight-sharing). "
)


OPTIMUM = "The optimum is the table's best architecture by test accuracy, with its own validation accuracy. "


def _table_rule(header: StudyHeader, studies: Sequence[RecordedStudy]) -> str:
    kinds = {is_weight_sharing(study.header) for study in studies}
    return TABLE_RULE.format(
        crossing=CROSSING if False in kinds else "",
        shared=SHARED if True in kinds else "",
        optimum=OPTIMUM if header.optima else "",
    )


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
