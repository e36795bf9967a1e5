"""How the searches ended: the cells of the report's first table, and the table that nas-run prints."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.records.headers import StudyHeader
from experiments.reports.entries import Entry
from experiments.reports.tables import DASH, ONE_SHOT, SEARCHED, number, plus_minus


def long_table(header: StudyHeader, entries: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """(headers, rows) of the same numbers for a terminal: a row per data set and algorithm."""
    rows, validated = [], validation_kind(entries)
    for dataset in header.settings.datasets:
        rows += [[dataset, entry.text, *final_cells(entry, dataset, validated)] for entry in entries]
        if optimum := header.optima.get(dataset):
            rows.append([dataset, "optimum", "", number(optimum.validation), number(optimum.test), ""])
    return ["data set", "algorithm", "runs", f"{validated} (%)", "test (%)", "evaluations"], rows


def validation_kind(entries: Sequence[Entry]) -> str:
    """What the validation column shows: the search's own score where the benchmark has no other validation."""
    if any(end.validation.count for entry in entries for end in entry.finals.values()):
        return "validation"
    return ONE_SHOT if all(entry.shared for entry in entries) else SEARCHED


def final_cells(entry: Entry, dataset: str, validated: str) -> tuple[str, str, str, str]:
    """(runs, validation, test, evaluations)."""
    end = entry.finals.get(dataset)
    if end is None:
        return "0", DASH, DASH, DASH
    test = plus_minus(end.test)
    if entry.shared:  # nothing was evaluated but with shared weights, which compares with nothing else
        return str(end.runs), plus_minus(end.score if validated == ONE_SHOT else end.validation), test, DASH
    validation = end.score if validated == SEARCHED else end.validation
    return str(end.runs), plus_minus(validation), test, f"{end.evaluations:.1f}"
