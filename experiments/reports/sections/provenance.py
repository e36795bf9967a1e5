"""The section of a report that says what was run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple
from math import nan
from pathlib import Path

from experiments.records.headers import MultiTrialSettings, Optimum
from experiments.records.study import clock, is_weight_sharing
from experiments.reports.entries import Entry, RecordedStudy
from experiments.reports.section import SectionInput
from experiments.reports.tables import DASH, Fact, ReportTable, joined, number, write_table
from experiments.reports.text import bullets, format_fidelities, format_setting

GENERAL = (
    "space", "table", "images", "scale", "recipe", "code", "runs", "seed", "threads", "preset", "cost_model",
    "seed_policy", "crossing", "incumbent", "cache", "simulated_workers",
)  # fmt: skip
"""Settings that the page lists one by one, where there are any."""


def section(given: SectionInput) -> str:
    """Everything that determines the numbers of the report."""
    parts = [
        _study(study, [entry for entry in given.entries if entry.study is study], f"study{i}", given.directory)
        for i, study in enumerate(given.studies, start=1)
    ]
    return "\n\n".join(["## What was run", *parts])


def _study(study: RecordedStudy, entries: Sequence[Entry], name: str, directory: Path) -> str:
    """One study.

    Args:
        entries: of this study.
        name: with which the names of the files begin.
    """
    settings = {key: held for key, held in study.header.identity.items() if held or key not in ("code", "table")}
    facts = {key.replace("_", " "): settings[key] for key in GENERAL if key in settings}
    facts |= {"versions": study.header.versions, "commit": study.header.git_commit}
    words = bullets(f"{key}: {format_setting(fact)}" for key, fact in facts.items())
    tables = {"datasets": _datasets(study), "algorithms": _algorithms(study, entries)}
    shown = [write_table(table, directory / f"{name}_{kind}") for kind, table in tables.items()]
    files = ", ".join(f"[{name}_{kind}.{form}]({name}_{kind}.{form})" for kind in tables for form in ("csv", "tex"))
    return "\n\n".join([f"### {study.name}", words, *shown, f"In other forms: {files}."])


def _datasets(study: RecordedStudy) -> ReportTable:
    settings, optima = study.header.settings, study.header.optima
    facts, rows = [], []
    for name in settings.datasets:
        reported, best = settings.report_fidelity.get(name), optima.get(name)
        row = [name, format_fidelities([astuple(reported)]) if reported else DASH, *_best(best)]
        fact: dict[str, Fact] = {
            "dataset": name,
            **{f"reported_{key}": value for key, value in (asdict(reported) if reported else {}).items()},
            "best_index": best.architecture if best else "",
            "best_test": best.test if best else nan,
        }
        if isinstance(settings, MultiTrialSettings):
            budget, searched = settings.budgets[name], settings.fidelity[name]
            row[1:1] = [f"{budget.amount:g}", format_fidelities([astuple(searched)])]
            fact |= {
                f"budget_{budget.unit}": budget.amount,
                **{f"searched_{key}": value for key, value in asdict(searched).items()},
            }
        rows.append(row)
        facts.append(fact)
    more = []
    if isinstance(settings, MultiTrialSettings):
        in_seconds = {budget.unit for budget in settings.budgets.values()} == {"seconds"}
        more = [f"budget ({clock(study.header)} s)" if in_seconds else "budget (evaluations)", "searched at"]
    return ReportTable(["data set", *more, "reported at", "best index", "its test (%)"], rows, facts)


def _algorithms(study: RecordedStudy, entries: Sequence[Entry]) -> ReportTable:
    rows, facts = [], []
    for entry in entries:
        options = study.header.settings.algorithms[entry.algorithm]
        at = joined(format_fidelities(used) for used in entry.fidelities.values())
        used = {} if entry.shared else {"trials_at": at}
        rows.append([entry.label, format_setting(options), *used.values()])
        facts.append(
            {"algorithm": entry.label, **used, **{name: format_setting(value) for name, value in options.items()}}
        )
    more = [] if is_weight_sharing(study.header) else ["trials at"]
    return ReportTable(["algorithm", "options", *more], rows, facts)


def _best(optimum: Optimum | None) -> tuple[str, str]:
    """(official index, test percent)."""
    return (str(optimum.architecture), number(optimum.test)) if optimum else (DASH, DASH)
