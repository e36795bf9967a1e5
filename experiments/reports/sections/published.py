"""Section: published results next to those of this report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from experiments.records.headers import MultiTrialSettings, StudyHeader
from experiments.reports.entries import Entry
from experiments.reports.section import SectionInput
from experiments.reports.sections.published_numbers import FOUND_ELSEWHERE, MEANS, OPTIMA, SOURCES, Published, rows_of
from experiments.reports.tables import DASH, Fact, ReportTable, number, plus_minus, write_table

TOLERANCE = 0.05
"""Largest difference in percentage points between a table and its published numbers: mirrors of it are rounded."""
RULE = (
    "Accuracies in percent as printed in papers, next to those of this report on the same benchmark. Budgets are in "
    "simulated seconds; a different budget of this report stands in brackets, and accuracies for different budgets are "
    "not comparable. The last column refers to the sources below. In other forms: [published.csv](published.csv), "
    "[published.tex](published.tex)."
)
PROTOCOL = {"cost_model": "nats", "seed_policy": "sampled"}
"""Settings of the published multi-trial searches."""
DIFFERENT = (
    "**Protocols differ**: the published searches were charged by the cost model nats and saw the validation accuracy "
    "of one sampled training; here: {settings}. Small differences between the columns are not meaningful."
)


def section(given: SectionInput) -> str:
    """Published results on the same benchmark next to those of this report; empty if there are none."""
    pairs = list(_pairs(given.header, given.entries))
    if not pairs:
        return ""
    sources = list(dict.fromkeys(row.source for row, _, _ in pairs))
    headers = [
        "data set", "method", "budget (s)", "published validation", "published test", "validation here", "test here",
        "source",
    ]  # fmt: skip
    rows = [
        [
            row.dataset, row.method, f"{row.budget:,.0f}" if row.budget else "",
            row.validation.replace("±", " ± ") or DASH, row.test.replace("±", " ± "), *ours,
            str(1 + sources.index(row.source)),
        ]
        for row, _, ours in pairs
    ]  # fmt: skip
    facts: list[dict[str, Fact]] = [
        {
            "dataset": row.dataset, "method": row.method, "algorithm": label, "published_validation": row.validation,
            "published_test": row.test, "published_budget": row.budget or math.nan, "source": SOURCES[row.source],
        }
        for row, label, _ in pairs
    ]  # fmt: skip
    table = write_table(ReportTable(headers, rows, facts), given.directory / "published")
    parts = ["## Published results", table, RULE]
    parts.append("\n".join(f"{i + 1}. {SOURCES[source]}" for i, source in enumerate(sources)))
    return "\n\n".join([*parts, *_differences(given.entries)])


def _pairs(header: StudyHeader, entries: Sequence[Entry]) -> Iterator[tuple[Published, str, tuple[str, str]]]:
    """(published result, label of the comparable entry, its validation and test)."""
    for dataset in header.settings.datasets:
        if not is_published(header, dataset):
            continue
        optimum = header.optima[dataset]
        for row in rows_of(header.settings.space, dataset):
            same = [entry for entry in entries if entry.algorithm == row.algorithm and dataset in entry.finals]
            if row.algorithm == "optimum":
                yield row, "optimum", (number(optimum.validation), number(optimum.test))
            elif not same or row.source in FOUND_ELSEWHERE:
                yield row, "", (DASH, DASH)
                continue
            for entry in same:
                end, other = entry.finals[dataset], _other_budget(row, entry)
                validation, test = (
                    plus_minus(value) + (other if value.count else "") for value in (end.validation, end.test)
                )
                yield row, entry.label, (validation, test)


def is_published(header: StudyHeader, dataset: str) -> bool:
    """Whether the accuracies on a data set are those of the published benchmark, as far as the records show."""
    if not header.settings.table or dataset not in header.optima:
        return False
    place, optimum = (header.settings.space, dataset), header.optima[dataset]
    if place in OPTIMA:
        return abs(optimum.test - OPTIMA[place]) < TOLERANCE
    if place in MEANS:
        return abs(optimum.mean_test - MEANS[place]) < TOLERANCE
    return any(True for _ in rows_of(*place)) and header.settings.report_fidelity[dataset].epoch == 90


def _other_budget(row: Published, entry: Entry) -> str:
    """The budget of a multi-trial entry, in brackets, if it is not the published one."""
    settings = entry.study.header.settings
    if not isinstance(settings, MultiTrialSettings):
        return ""
    budget = settings.budgets[row.dataset]
    if (budget.amount, budget.unit) == (row.budget, "seconds"):
        return ""
    return f" ({budget.amount:,.0f}{'' if budget.unit == 'seconds' else ' evaluations'})"


def _differences(entries: Sequence[Entry]) -> Iterator[str]:
    """How the protocol of this report differs from the published one."""
    different = {
        f"{key.replace('_', ' ')} {getattr(entry.study.header.settings, key)}"
        for entry in entries
        if isinstance(entry.study.header.settings, MultiTrialSettings)
        for key, value in PROTOCOL.items()
        if getattr(entry.study.header.settings, key) != value
    }
    if different:
        yield DIFFERENT.format(settings=", ".join(sorted(different)))
