"""The section of a report that says what was run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.comparison import Entry, RecordedStudy, is_shared
from experiments.records import Optimum
from experiments.report_notes import clock
from experiments.report_tables import DASH, joined, markdown, number
from experiments.report_text import bullets, told, told_fidelities

GENERAL = (
    "space", "table", "trained", "shared", "code", "runs", "seed", "threads", "preset", "cost_model", "seed_policy",
    "crossing", "incumbent", "cache", "simulated_workers",
)  # fmt: skip
"""Settings that the page lists one by one, where there are any."""
Rows = tuple[list[str], list[list[str]]]
"""Headers and rows."""


def provenance(study: RecordedStudy, entries: Sequence[Entry]) -> str:
    """Everything that decided the numbers of one study, as tables.

    Args:
        entries: of this study.
    """
    settings = study.header.settings
    facts = {key.replace("_", " "): settings[key] for key in GENERAL if key in settings}
    facts |= {"versions": study.header.versions, "commit": study.header.git_commit}
    words = bullets(f"{name}: {told(fact)}" for name, fact in facts.items())
    tables = _shared(study, entries) if is_shared(study.header) else _searched(study, entries)
    return "\n\n".join([f"### {study.name}", words, *(markdown(names, rows) for names, rows in tables)])


def _searched(study: RecordedStudy, entries: Sequence[Entry]) -> list[Rows]:
    """The data sets and algorithms of a multi-trial study."""
    settings, optima = study.header.settings, study.header.optima
    datasets = [
        [name, f"{budget:g}", _told_fidelity(settings["fidelity"][name]),
         _told_fidelity(settings["report_fidelity"][name]), *_best(optima.get(name))]
        for name, budget in settings["budgets"].items()
    ]  # fmt: skip
    algorithms = [
        [
            entry.label,
            told(settings["algorithms"][entry.algorithm]),
            joined(told_fidelities(used) for used in entry.fidelities.values()),
        ]
        for entry in entries
    ]
    budget = f"budget ({clock(study.header)} s)"
    return [
        (["data set", budget, "searched at", "reported at", "best index", "its test (%)"], datasets),
        (["algorithm", "options", "trials at"], algorithms),
    ]


def _shared(study: RecordedStudy, entries: Sequence[Entry]) -> list[Rows]:
    """The data sets and methods of a weight-sharing study."""
    settings, optima = study.header.settings, study.header.optima
    reported = settings["report_fidelity"]
    datasets = [
        [name, _told_fidelity(reported[name]) if name in reported else DASH, *_best(optima.get(name))]
        for name in settings["datasets"]
    ]
    methods = [[entry.label, told(settings["algorithms"][entry.algorithm])] for entry in entries]
    return [
        (["data set", "reported at", "best index", "its test (%)"], datasets),
        (["method", "options"], methods),
    ]


def _best(optimum: Optimum | None) -> tuple[str, str]:
    """(official index, test percent)."""
    return (str(optimum.architecture), number(optimum.test)) if optimum else (DASH, DASH)


def _told_fidelity(fidelity: Mapping[str, Any]) -> str:
    return told_fidelities([(fidelity["schedule"], fidelity["epoch"])])
