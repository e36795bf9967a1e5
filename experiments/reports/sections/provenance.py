"""Section: what was run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple
from math import nan

from experiments.records.headers import MultiTrialSettings, Optimum
from experiments.reports.entries import Entry, RecordedStudy
from experiments.reports.measures import Measure
from experiments.reports.section import SectionInput
from experiments.reports.tables import DASH, Fact, ReportTable, joined, write_table
from experiments.reports.text import bullets, format_fidelities, format_setting

GENERAL = (
    "space", "table", "images", "scale", "recipe", "code", "runs", "seed", "threads", "preset", "cost_model",
    "seed_policy", "crossing", "incumbent", "cache", "simulated_workers",
)  # fmt: skip
"""Settings that the page lists one by one, if a study has them."""


def section(given: SectionInput) -> str:
    """Everything that determines the numbers of the report."""
    parts = [_study(given, study, f"study{i}") for i, study in enumerate(given.studies, start=1)]
    return "\n\n".join(["## What was run", *parts])


def _study(given: SectionInput, study: RecordedStudy, name: str) -> str:
    """One study.

    Args:
        name: prefix of the file names.
    """
    settings = {key: held for key, held in study.header.identity.items() if held or key not in ("code", "table")}
    facts = {key.replace("_", " "): settings[key] for key in GENERAL if key in settings}
    facts |= {"versions": study.header.versions, "commit": study.header.git_commit}
    words = bullets(f"{key}: {format_setting(fact)}" for key, fact in facts.items())
    entries = [entry for entry in given.entries if entry.study is study]
    tables = {"datasets": _datasets(given, study), "algorithms": _algorithms(study, entries)}
    shown = [write_table(table, given.directory / f"{name}_{kind}") for kind, table in tables.items()]
    files = ", ".join(f"[{name}_{kind}.{form}]({name}_{kind}.{form})" for kind in tables for form in ("csv", "tex"))
    return "\n\n".join([f"### {study.name}", words, *shown, f"In other forms: {files}."])


def _datasets(given: SectionInput, study: RecordedStudy) -> ReportTable:
    settings, optima = study.header.settings, study.header.optima
    facts, rows = [], []
    for name in settings.datasets:
        reported, best = settings.report_fidelity.get(name), optima.get(name)
        at = format_fidelities([astuple(reported)]) if reported else DASH
        row = [given.named(name), at, *_best(best, given.measures[name])]
        fact: dict[str, Fact] = {
            "dataset": name,
            **{f"reported_{key}": value for key, value in (asdict(reported) if reported else {}).items()},
            "best_index": best.architecture if best else "",
            f"best_{given.measures[name].split}": given.measures[name].value(best.final) if best else nan,
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
        more = [f"budget ({settings.clock} s)" if in_seconds else "budget (evaluations)", "searched at"]
    return ReportTable(["data set", *more, "reported at", "best index", f"its {given.judged_label}"], rows, facts)


def _algorithms(study: RecordedStudy, entries: Sequence[Entry]) -> ReportTable:
    rows, facts = [], []
    for entry in entries:
        options = study.header.settings.algorithms[entry.algorithm]
        at = joined(format_fidelities(used) for used in entry.fidelities.values())
        used = {} if entry.weight_sharing else {"trials_at": at}
        rows.append([entry.label, format_setting(options), *used.values()])
        facts.append(
            {"algorithm": entry.label, **used, **{name: format_setting(value) for name, value in options.items()}}
        )
    more = [] if study.weight_sharing else ["trials at"]
    return ReportTable(["algorithm", "options", *more], rows, facts)


def _best(optimum: Optimum | None, measure: Measure) -> tuple[str, str]:
    """(official index, value of the metric) of the best architecture."""
    return (str(optimum.architecture), measure.number(optimum.final)) if optimum else (DASH, DASH)
