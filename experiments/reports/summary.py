"""The final results of searches: the cells of the report's first table, and the table that nas-run prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from experiments.records.headers import Optimum, StudyHeader
from experiments.reports.entries import Entry
from experiments.reports.measures import Measure, common, measures_of, with_unit
from experiments.reports.tables import DASH, ONE_SHOT, SEARCHED


class FinalCells(NamedTuple):
    """One algorithm on one data set."""

    runs: str
    validation: str
    test: str
    evaluations: str


def long_table(header: StudyHeader, entries: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """(headers, rows) of the final results for a terminal: a row per data set, named with its metric, and algorithm.

    Without a column of test values if no data set has a test.
    """
    measures, validated, rows = measures_of(header), validation_kind(entries), []
    unit = common(measures.values(), lambda measure: measure.metric.unit, "")
    for dataset, measure in measures.items():
        cells = [(entry.text, final_cells(entry, dataset, measure, validated)) for entry in entries]
        if optimum := header.optima.get(dataset):
            cells.append(("optimum", optimum_cells(optimum, measure)))
        name = f"{dataset}, {measure.metric.name if unit else measure.metric.label}"
        rows += [[name, text, *of_row] for text, of_row in cells]
    splits = (with_unit(split, unit) for split in (validated, "test"))
    headers = ["data set", "algorithm", "runs", *splits, "evaluations"]
    if any(measure.split == "test" for measure in measures.values()):
        return headers, rows
    return headers[:4] + headers[5:], [row[:4] + row[5:] for row in rows]


def validation_kind(entries: Sequence[Entry]) -> str:
    """The kind of scores in the validation column: the searched scores if the benchmark has no others to report."""
    if any(end.validation.count for entry in entries for end in entry.finals.values()):
        return "validation"
    return ONE_SHOT if all(entry.weight_sharing for entry in entries) else SEARCHED


def final_cells(entry: Entry, dataset: str, measure: Measure, validated: str) -> FinalCells:
    """The final results of an algorithm on a data set.

    Args:
        validated: the `validation_kind` of the table.
    """
    end = entry.finals.get(dataset)
    if end is None:
        return FinalCells("0", DASH, DASH, DASH)
    test = measure.plus_minus(end.test)
    if entry.weight_sharing:  # one-shot accuracies cannot be compared with those of trained architectures
        validation = measure.plus_minus(end.score if validated == ONE_SHOT else end.validation)
        return FinalCells(str(end.runs), validation, test, DASH)
    validation = measure.plus_minus(end.score if validated == SEARCHED else end.validation)
    return FinalCells(str(end.runs), validation, test, f"{end.evaluations:.1f}")


def optimum_cells(optimum: Optimum, measure: Measure) -> FinalCells:
    """The best architecture of a table."""
    return FinalCells("", measure.number(optimum.validation), measure.number(optimum.test), "")
