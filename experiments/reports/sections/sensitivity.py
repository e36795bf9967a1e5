"""Section: hyperparameter sweeps, and how much each option of an algorithm matters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from experiments.records.domains import Choice, Domain
from experiments.records.headers import SweepSettings
from experiments.records.runs import Floats
from experiments.records.sweep import Configuration, SweepRecords, different, ranked
from experiments.reports.figures import RARE, figure_for, report_style, save
from experiments.reports.measures import Measure, with_unit
from experiments.reports.section import SectionInput
from experiments.reports.tables import Fact, ReportTable, write_table
from experiments.reports.text import figure, sources
from experiments.storage.directories import RecordError

SHADES = ("#C6DBEF", "#6BAED6", "#2171B5", "#08306B")
"""Colours of the rungs, the last one darkest: "Blues" of ColorBrewer."""
MARGIN = 0.05
"""Margin of an axis, as a fraction of its length."""
DECADES = 1000
"""Largest ratio of the ends of a logarithmic axis whose ticks are 1, 2, 5, 10, ..."""
GOLDEN = 0.618034
BEST, FAINT = "#D55E00", "#777777"


EDGE: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.5, "zorder": 3, "clip_on": False}
JITTER = 0.18
"""Spread of points on an axis of names, as a fraction of the distance between two names."""
MOST = 5
"""Number of configurations in a table."""
OBJECTIVES = {
    "final_validation": "validation {metric} for which a run chose its last incumbent",
    "validation_area": "validation {metric} of a run's incumbent, averaged over the time of the search",
}
RULE = (
    "{tried} configurations of {algorithm} on {dataset}, suggested by {search}; the objective is the {objective}, mean "
    "over runs. The table shows the best ones; a point in the figure is a configuration at the last rung that it "
    "reached. All have the same seeds. The best of many looks better than it is: judge it by runs with other seeds, "
    "such as those in the sweep's confirmation/. {sources}"
)


def section(given: SectionInput) -> str:
    """A table and a figure of each sweep; empty if there are no sweeps.

    Raises:
        RecordError: a directory holds no readable sweep, or none whose configurations were evaluated.
    """
    parts = [_sweep(SweepRecords(path), f"sweep{i}", given.directory) for i, path in enumerate(given.sweeps, start=1)]
    return "\n\n".join(["## Sensitivity to options", *parts]) if parts else ""


def _sweep(records: SweepRecords, name: str, directory: Path) -> str:
    header, rows = records.header(), records.configurations()
    ranking, settings = ranked(rows), header.settings
    if not ranking:
        raise RecordError(f"{records.path} holds no configuration that was evaluated: repeat its nas-sweep command")
    with report_style():
        save(sensitivity(ranking, settings), directory / name)
    (dataset,), metric = settings.study.datasets, settings.metric
    rule = RULE.format(
        tried=different(rows),
        algorithm=settings.algorithm,
        dataset=dataset,
        search=settings.search,
        objective=OBJECTIVES[settings.objective].format(metric=metric.name),
        sources=sources(f"{name}_best"),
    )
    table = write_table(_table(ranking, settings), directory / f"{name}_best")
    caption = f"Objective over each option of {settings.algorithm}"
    return "\n\n".join([f"### {settings.algorithm}: {records.path.name}", table, rule, figure(name, caption)])


def _table(ranking: Sequence[Configuration], settings: SweepSettings) -> ReportTable:
    """The best configurations; facts about all."""
    rungs, unit, measure = settings.rungs, settings.unit, Measure(settings.metric, "validation")
    facts: list[dict[str, Fact]] = []
    rows = []
    for row in ranking:
        known = row.evaluation.objectives if row.evaluation else {}
        objectives = {f"objective_{rung}_{unit}": measure.value(score) for rung, score in known.items()}
        facts.append({**row.options, **objectives})
        values = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.options.values())
        rows.append([*values, *(measure.number(known.get(rung, math.nan)) for rung in rungs)])
    headings = (with_unit(f"{rung} {unit}", measure.metric.unit) for rung in rungs)
    return ReportTable([*ranking[0].options, *headings], rows[:MOST], facts)


def sensitivity(ranked: Sequence[Configuration], settings: SweepSettings) -> Figure:
    """One panel per knob: the objective of each configuration at the last rung that it reached.

    Args:
        ranked: the configurations, best first.
        settings: those of the sweep.
    """
    tuned, rungs, metric = settings.tuned, settings.rungs, settings.metric
    figure, panels = figure_for(len(tuned))
    reached = np.array([max(row.evaluation.objectives) for row in ranked if row.evaluation])
    scores = np.array([row.evaluation.objectives[max(row.evaluation.objectives)] for row in ranked if row.evaluation])
    colours = {rung: SHADES[-1 - min(level, len(SHADES) - 1)] for level, rung in enumerate(reversed(rungs))}
    low, high = _limits(scores)
    beyond = "v" if metric.larger_is_better else "^"
    for axes, (name, domain) in zip(panels, tuned.items(), strict=True):
        places = _places(domain, [row.options[name] for row in ranked])
        for rung in rungs:
            for marker, shown in (("o", scores >= low), (beyond, scores < low)):
                at = (reached == rung) & shown
                values = metric.value(np.maximum(scores[at], low))
                axes.scatter(places[at], values, s=28, marker=marker, color=colours[rung], **EDGE)
        axes.scatter(places[:1], metric.value(scores[:1]), s=160, marker="*", color=BEST, **EDGE)
        _scale(axes, domain)
        axes.set(xlabel=name, ylim=sorted(metric.value(end) for end in (low, high)))
    figure.supylabel(with_unit("objective", metric.unit), fontsize=11)
    _legend(figure, colours, settings.unit, beyond if (scores < low).any() else None)
    return figure


def _places(domain: Domain, found: Sequence[Any]) -> Floats:
    """Positions of configurations on the axis of a knob."""
    if not isinstance(domain, Choice):
        return np.array(found, np.float64)
    spread = JITTER * (2 * (GOLDEN * np.arange(len(found)) % 1) - 1)
    places: Floats = np.array([domain.values.index(value) for value in found]) + spread
    return places


def _scale(axes: Axes, domain: Domain) -> None:
    if isinstance(domain, Choice):
        axes.set_xticks(range(len(domain.values)), [str(value) for value in domain.values])
        axes.set_xlim(-0.5, len(domain.values) - 0.5)
        axes.grid(visible=False, axis="x")
        return
    if domain.log:
        axes.set_xscale("log")
        if domain.high / domain.low < DECADES:
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(
            domain.low / (domain.high / domain.low) ** MARGIN, domain.high * (domain.high / domain.low) ** MARGIN
        )
    else:
        axes.set_xlim(
            domain.low - MARGIN * (domain.high - domain.low), domain.high + MARGIN * (domain.high - domain.low)
        )


def _limits(scores: Floats) -> tuple[float, float]:
    """(worst, best) score on the axis of the objective; triangles at its end are rare configurations beyond it."""
    low, high = float(np.quantile(scores, RARE / 2)), float(scores.max())
    margin = MARGIN * (high - low) or 1.0
    return low - margin, high + margin


def _legend(figure: Figure, colours: Mapping[int, str], unit: str, beyond: str | None) -> None:
    """Add a legend of the rungs, and of the marker `beyond` of configurations beyond the axis, if there are any."""
    dots = [
        Line2D([], [], linestyle="", marker="o", markersize=6, color=colour, label=f"{rung} {unit}")
        for rung, colour in colours.items()
    ]
    best = Line2D([], [], linestyle="", marker="*", markersize=12, color=BEST, label="best")
    side = "below" if beyond == "v" else "above"
    triangle = Line2D([], [], linestyle="", marker=beyond or "v", markersize=6, color=FAINT, label=f"{side} the axis")
    handles = [*dots, best, triangle] if beyond else [*dots, best]
    drawn = figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=1)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + drawn.get_window_extent().height / figure.dpi)
