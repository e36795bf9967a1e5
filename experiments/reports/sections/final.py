"""Section: how the searches ended."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from experiments.records.headers import StudyHeader
from experiments.records.study import is_weight_sharing
from experiments.reports.entries import Entry, RecordedStudy
from experiments.reports.section import SectionInput
from experiments.reports.summary import final_cells, validation_kind
from experiments.reports.tables import (
    CSV_COLUMNS,
    joined,
    latex,
    markdown,
    number,
    statistics_columns,
    without_nan,
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


def section(given: SectionInput) -> str:
    """The final results of all searches."""
    headers, rows = final_table(given.header, given.entries)
    (given.directory / "table.md").write_text(markdown(headers, rows) + "\n", "utf-8")
    (given.directory / "table.tex").write_text(latex(headers, rows) + "\n", "utf-8")
    write_csv(given.directory / "table.csv", given.header, given.entries)
    return "\n\n".join(["## Final results", markdown(headers, rows), _table_rule(given.header, given.studies)])


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
    datasets, validated = header.settings.datasets, validation_kind(entries)
    measured = [f"{dataset} {split} (%)" for dataset in datasets for split in (validated, "test")]
    rows = []
    for entry in entries:
        runs, validation, test, evaluations = zip(
            *(final_cells(entry, dataset, validated) for dataset in datasets), strict=True
        )
        accuracies = [cell for pair in zip(validation, test, strict=True) for cell in pair]
        rows.append([entry.text, joined(runs), *accuracies, joined(evaluations)])
    if header.optima:
        optima = [header.optima[dataset] for dataset in datasets]
        best = [number(value) for optimum in optima for value in (optimum.validation, optimum.test)]
        rows.append(["optimum", "", *best, ""])
    return ["algorithm", "runs", *measured, "evaluations"], rows


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
                writer.writerow({"algorithm": entry.text, "dataset": dataset, "runs": end.runs, **without_nan(row)})
        for dataset, optimum in header.optima.items():
            row = {"validation_mean": optimum.validation, "test_mean": optimum.test}
            writer.writerow({"algorithm": "optimum", "dataset": dataset, **without_nan(row)})


def _csv_row(entry: Entry, end: Final) -> dict[str, float]:
    row = statistics_columns("validation", end.validation) | statistics_columns("test", end.test)
    row["search_host_seconds_mean"] = end.search_seconds
    if entry.shared:
        return row
    return row | statistics_columns("searched_validation", end.score) | {"evaluations_mean": end.evaluations}
