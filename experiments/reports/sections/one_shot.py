"""Section: rank correlation of one-shot accuracy with accuracy after training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from benchmarks.metrics import ACCURACY, Metric
from experiments.reports.entries import Entry
from experiments.reports.figures import figure_for, report_style, save, styles
from experiments.reports.measures import with_unit
from experiments.reports.section import SectionInput
from experiments.reports.tables import Fact, ReportTable, plus_minus, write_table
from experiments.reports.text import figure
from experiments.statistics.aggregates import aggregate
from experiments.statistics.weight_sharing import OneShotRanking

ONE_SHOT_RULE = (
    "Do the shared weights rank architectures as training does? Rank correlations between two numbers of {count} "
    "random architectures, the same for all runs: one-shot validation accuracy at the end of a run, and validation "
    "{metric} at the table's reporting fidelity; mean ± standard deviation over runs (population). Full precision: "
    "[table_one_shot.csv](table_one_shot.csv)."
)


def section(given: SectionInput) -> str:
    """Rank correlations and a scatter plot; empty if no supernet was compared with a table."""
    compared = one_shots_of(given.entries)
    if not compared:
        return ""
    rows: list[list[str]] = []
    facts: list[dict[str, Fact]] = []
    for label, runs in compared.items():
        found = {name: np.array([getattr(one, name) for one in runs]) for name in ("spearman", "kendall")}
        rows.append([label, str(len(runs)), *(plus_minus(aggregate(values)) for values in found.values())])
        facts += [{"method": label, "run": one.run, "spearman": one.spearman, "kendall": one.kendall} for one in runs]
    table = ReportTable(["method", "runs", "Spearman's rho", "Kendall's tau"], rows, facts)
    metric = next(iter(given.measures.values())).metric
    with report_style():
        save(draw_one_shot(compared, metric), given.directory / "one_shot")
    parts = [
        "## One-shot accuracy",
        write_table(table, given.directory / "table_one_shot"),
        ONE_SHOT_RULE.format(count=len(next(iter(compared.values()))[0].architectures), metric=metric.name),
        figure("one_shot", "Validation accuracy with shared weights and after training"),
    ]
    return "\n\n".join(parts)


def one_shots_of(entries: Sequence[Entry]) -> dict[str, Sequence[OneShotRanking]]:
    """Label -> runs whose supernet was compared with a table, of the entries that have any."""
    return {entry.label: runs for entry in entries for runs in entry.one_shot_rankings.values()}


def draw_one_shot(compared: Mapping[str, Sequence[OneShotRanking]], metric: Metric) -> Figure:
    """One-shot accuracy against validation after training: a panel per label, a point per run and architecture.

    Args:
        metric: that of the table.
    """
    look = styles(compared)
    figure, grid = figure_for(len(compared), gap=0.04)
    for axes, (label, runs) in zip(grid, compared.items(), strict=True):
        correlations = ", ".join(f"{one.spearman:.2f}" for one in runs)
        axes.set_title(f"{label}: ρ = {correlations}")
        for one in runs:
            axes.plot(
                one.shared, metric.value(one.trained), look[label].marker, color=look[label].colour, alpha=0.5,
                markersize=4, markeredgewidth=0,
            )  # fmt: skip
        axes.set(
            xlabel=with_unit("with shared weights", ACCURACY.unit), ylabel=with_unit("after training", metric.unit)
        )
    return figure
