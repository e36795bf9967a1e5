"""The section of a report about sweeps: how much each option of an algorithm matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from experiments.records.domains import Choice, Domain, Tuned
from experiments.records.headers import SweepHeader
from experiments.records.runs import Floats
from experiments.records.sweep import Configuration, SweepRecords, different, ranked
from experiments.reports.figures import RARE, figure_for, report_style, save
from experiments.reports.section import SectionInput
from experiments.reports.tables import DASH, Fact, ReportTable, number, write_table
from experiments.reports.text import figure, sources
from experiments.storage.directories import RecordError

MOST = 5
"""Configurations in a table."""
OBJECTIVES = {
    "final_validation": "validation accuracy for which a run chose its answer",
    "validation_area": "validation accuracy of a run's answer, averaged over the time of the search",
}
RULE = (
    "{tried} configurations of {algorithm} on {dataset}, suggested by {search}; the objective is the {objective}, in "
    "percent, mean over runs. The table has the best; in the figure a point is a configuration, at the last rung that "
    "it reached. All have the same seeds. The best of many looks better than it is: judge it by runs with other seeds, "
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
    header, rows = records.header(), records.rows()
    ranking, settings = ranked(rows), header.settings
    if not ranking:
        raise RecordError(f"{records.path} holds no configuration that was evaluated: repeat its nas-sweep command")
    with report_style():
        save(sensitivity(ranking, settings.tuned, settings.rungs, settings.unit), directory / name)
    (dataset,) = settings.study.datasets
    rule = RULE.format(
        tried=different(rows),
        algorithm=settings.algorithm,
        dataset=dataset,
        search=settings.search,
        objective=OBJECTIVES[settings.objective],
        sources=sources(f"{name}_best"),
    )
    table = write_table(_table(ranking, header), directory / f"{name}_best")
    caption = f"Objective over each option of {settings.algorithm}"
    return "\n\n".join([f"### {settings.algorithm}: {records.path.name}", table, rule, figure(name, caption)])


def _table(ranking: Sequence[Configuration], header: SweepHeader) -> ReportTable:
    """The best configurations; the facts are of all."""
    rungs, unit = header.settings.rungs, header.settings.unit
    facts: list[dict[str, Fact]] = []
    rows = []
    for row in ranking:
        known = row.evaluation.objectives if row.evaluation else {}
        facts.append({**row.options, **{f"objective_{rung}_{unit}": value for rung, value in known.items()}})
        values = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.options.values())
        rows.append([*values, *(number(known[rung]) if rung in known else DASH for rung in rungs)])
    return ReportTable([*ranking[0].options, *(f"{rung} {unit} (%)" for rung in rungs)], rows[:MOST], facts)


SHADES = ("#C6DBEF", "#6BAED6", "#2171B5", "#08306B")
"""Of the rungs, the last one darkest: "Blues" of ColorBrewer."""


MARGIN = 0.05
"""Beyond the ends of an axis, as a part of it."""


DECADES = 1000
"""Largest ratio of the ends of a logarithmic axis whose ticks are 1, 2, 5, 10, ..."""


GOLDEN = 0.618034


BEST, FAINT = "#D55E00", "#777777"


EDGE: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.5, "zorder": 3, "clip_on": False}


JITTER = 0.18
"""Of points on an axis of names, as a part of the distance between two."""


def sensitivity(ranked: Sequence[Configuration], tuned: Tuned, rungs: Sequence[int], unit: str) -> Figure:
    """One panel per knob: the objective of each configuration at the last rung that it reached.

    Args:
        ranked: the configurations, best first.
    """
    figure, panels = figure_for(len(tuned))
    reached = np.array([max(row.evaluation.objectives) for row in ranked if row.evaluation])
    values = np.array([row.evaluation.objectives[max(row.evaluation.objectives)] for row in ranked if row.evaluation])
    colours = {rung: SHADES[-1 - min(level, len(SHADES) - 1)] for level, rung in enumerate(reversed(rungs))}
    low, high = _limits(values)
    for axes, (name, domain) in zip(panels, tuned.items(), strict=True):
        places = _places(domain, [row.options[name] for row in ranked])
        for rung in rungs:
            for marker, seen in (("o", values >= low), ("v", values < low)):
                at = (reached == rung) & seen
                axes.scatter(places[at], np.maximum(values[at], low), s=28, marker=marker, color=colours[rung], **EDGE)
        axes.scatter(places[:1], values[:1], s=160, marker="*", color=BEST, **EDGE)
        _scale(axes, domain)
        axes.set(xlabel=name, ylim=(low, high))
    figure.supylabel("objective (%)", fontsize=11)
    _legend(figure, colours, unit, beyond=bool((values < low).any()))
    return figure


def _places(domain: Domain, found: Sequence[Any]) -> Floats:
    """Where configurations lie on the axis of a knob."""
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


def _limits(values: Floats) -> tuple[float, float]:
    """Of the axis of the objective. Rare bad configurations lie beyond its end, and triangles there stand for them."""
    low, high = float(np.quantile(values, RARE / 2)), float(values.max())
    margin = MARGIN * (high - low) or 1.0
    return low - margin, high + margin


def _legend(figure: Figure, colours: Mapping[int, str], unit: str, *, beyond: bool) -> None:
    dots = [
        Line2D([], [], linestyle="", marker="o", markersize=6, color=colour, label=f"{rung} {unit}")
        for rung, colour in colours.items()
    ]
    best = Line2D([], [], linestyle="", marker="*", markersize=12, color=BEST, label="best")
    lower = Line2D([], [], linestyle="", marker="v", markersize=6, color=FAINT, label="below the axis")
    handles = [*dots, best, lower] if beyond else [*dots, best]
    drawn = figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=1)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + drawn.get_window_extent().height / figure.dpi)
