"""Section: host time spent in the search algorithms themselves."""

from __future__ import annotations

from experiments.reports.section import SectionInput
from experiments.reports.tables import Fact, ReportTable, write_table
from experiments.reports.text import sources

OVERHEAD_RULE = (
    "Host seconds spent in the search algorithm itself, without evaluations: mean over runs, on the machine that ran "
    "the study. They do not count against the budget. {sources}"
)


def section(given: SectionInput) -> str:
    """Host time of each multi-trial search algorithm; empty if there are only weight-sharing methods."""
    searched = [entry for entry in given.entries if not entry.weight_sharing and entry.finals]
    if not searched:
        return ""
    rows: list[list[str]] = []
    facts: list[dict[str, Fact]] = []
    for dataset in given.header.settings.datasets:
        for entry in (entry for entry in searched if dataset in entry.finals):
            end = entry.finals[dataset]
            each = end.search_seconds / end.evaluations
            rows.append(
                [dataset, entry.text, f"{end.evaluations:.1f}", f"{end.search_seconds:.3g}", f"{1000 * each:.3g}"]
            )
            facts.append({"dataset": dataset, "algorithm": entry.text, "evaluations_mean": end.evaluations,
                          "search_host_seconds_mean": end.search_seconds,
                          "search_host_seconds_per_evaluation": each})  # fmt: skip
    headers = ["data set", "algorithm", "evaluations per run", "search algorithm (s per run)", "(ms per evaluation)"]
    table = write_table(ReportTable(headers, rows, facts), given.directory / "overhead")
    return "\n\n".join(["## Search overhead", table, OVERHEAD_RULE.format(sources=sources("overhead"))])
