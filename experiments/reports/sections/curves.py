"""Figures of a report: test accuracy of the incumbent, and its regret, over the time of the search.

A line is the mean over runs, drawn from the moment at which every run has an answer; before, a mean would be over the
fastest runs only. The band is around it: quartiles, standard error, standard deviation or bootstrap interval. The mean
may leave the inter-quartile band while a few runs lag far behind; this is information, not an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from experiments.records.headers import StudyHeader
from experiments.records.runs import Floats, Runs
from experiments.records.study import clock
from experiments.reports.entries import Entry, legend_of
from experiments.reports.figures import (
    COLUMNS,
    Style,
    add_legend,
    draw_optimum,
    figure_for,
    line_style,
    lowest_but_rare,
    marks,
    report_style,
    save,
    styles,
)
from experiments.reports.section import SectionInput
from experiments.reports.text import BAND_RULES, bullets, figure
from experiments.statistics.aggregates import Aggregate, Band, Interpolation, aggregate, regret
from experiments.statistics.resampling import blocks, curve_times, resample

EARLY, EARLY_LOG = 0.05, 0.01
"""Part of the budget after which the y axis shows a curve whole, on a linear and a logarithmic time axis."""

ZERO = 1e-6
"""Percentage points of regret that are no more than rounding."""


class View(NamedTuple):
    """What a figure shows."""

    quantity: Literal["test", "regret"]
    log_time: bool
    caption: str


FIGURES = {
    "test_accuracy": View("test", False, "Test accuracy of the incumbent over time"),
    "log_regret": View("regret", False, "Regret of the incumbent, logarithmic, over time"),
    "test_accuracy_log_time": View("test", True, "Test accuracy of the incumbent over time, logarithmic"),
    "log_regret_log_time": View("regret", True, "Regret of the incumbent over time, both logarithmic"),
}
"""File name -> what it shows."""
YLABELS = {"test": "test accuracy (%)", "regret": "regret (percentage points)"}


CURVE_RULES = (
    "A curve begins when all its runs have an incumbent.",
    "The accuracy axis begins where the lowest curve is early in the search, to leave out the first, poor "
    "architectures.",
    "Searchers see validation scores only; test accuracy is looked up afterwards, at the reporting fidelity.",
)
WEIGHT_SHARING_CURVE_RULE = (
    "Weight sharing counts with what the last finished epoch derived, whatever the rule between trials. Its lines end "
    "with the longest run, and the axis leaves out dips that make up less than a tenth of one."
)
NO_CURVES = (
    "Curves of test accuracy over time are left out: no benchmark table tells the accuracy of what weight sharing "
    "derived."
)
REGRET_RULE = "Regret is the optimum's test accuracy minus the incumbent's; the mean is taken before the logarithm."
INTERPOLATION_RULES: dict[Interpolation, str] = {
    "step": "At each time a run counts with its last incumbent told by then; a run that ended keeps it.",
    "nats": "Between trials, curves follow the published NATS-Bench scripts: at i/150 of the budget, i = 0, ..., 149, "
    "a run counts with the line through its two trials nearest in time, which also extrapolates.",
}


def section(given: SectionInput) -> str:
    """Test accuracy and regret over the time of the search."""
    drawn = [entry for entry in given.entries if _has_curve(entry)]
    if not drawn:
        return "\n\n".join(["## Curves", NO_CURVES])
    panels = [
        panel_of(given.header, drawn, dataset, given.interpolation, given.band)
        for dataset in given.header.settings.datasets
    ]
    write_figures(panels, legend_of(drawn), given.band, given.directory)
    figures = (figure(name, view.caption) for name, view in views(panels).items())
    return "\n\n".join(["## Curves", *figures, bullets(_curve_rules(given))])


@dataclass(frozen=True)
class Curve:
    """One algorithm on one data set."""

    label: str
    times: Floats
    """Seconds, shape (times,), ascending."""
    test: Aggregate
    """Percent; shape (times,)."""
    regret: Aggregate
    """Percentage points; shape (times,)."""
    end: float = math.inf
    """Seconds at which its searches end, if before the panel's budget."""
    falls: bool = False
    """Whether an answer may be worse than the one before, as in weight sharing: the axis shows that, if not rare."""


@dataclass(frozen=True)
class Panel:
    """One data set."""

    dataset: str
    budget: float
    """Seconds, at which the time axis ends."""
    optimum: float
    """Percent test accuracy of the table's best architecture; NaN where it is unknown."""
    curves: Sequence[Curve]
    time: str = "simulated seconds"
    """What the clock of the searches counts."""


def curve_of(
    label: str, runs: Runs, end: float, optimum: float, interpolation: Interpolation, *, interval: bool = False
) -> Curve:
    """The line of one algorithm on one data set.

    Args:
        end: seconds up to which it goes.
        optimum: percent test accuracy; NaN if it is unknown.
        interval: whether bootstrap intervals will be drawn.
    """
    times = curve_times(end, interpolation)
    accuracies, regrets = [], []
    for some in blocks(times, len(runs)):
        test = resample(runs, some, interpolation)
        accuracies.append(aggregate(test, interval=interval))
        regrets.append(aggregate(regret(optimum, test), interval=interval))
    return Curve(label, times, Aggregate.concatenate_runs(accuracies), Aggregate.concatenate_runs(regrets), end)


def views(panels: Sequence[Panel]) -> dict[str, View]:
    """The figures that can be drawn: regret takes an optimum."""
    known = not any(math.isnan(panel.optimum) for panel in panels)
    return {name: view for name, view in FIGURES.items() if known or view.quantity != "regret"}


def write_figures(panels: Sequence[Panel], legend: Mapping[str, str], band: Band, directory: Path) -> list[Path]:
    """Draw the figures that can be drawn in every format; equal input gives equal files.

    Args:
        legend: label of a curve -> its text in the legend.

    Returns: the files' paths, NAME.png before NAME.svg and NAME.pdf.
    """
    with report_style():
        drawn = {name: draw(panels, legend, band, view) for name, view in views(panels).items()}
        return [path for name, figure in drawn.items() for path in save(figure, directory / name)]


def draw(panels: Sequence[Panel], legend: Mapping[str, str], band: Band, view: View) -> Figure:
    """One panel per data set, two in a row, and a common legend below."""
    figure, grid = figure_for(len(panels))
    look = styles(legend)
    for i, (axes, panel) in enumerate(zip(grid, panels, strict=True)):
        axes.set_title(panel.dataset)
        _draw_curves(axes, panel, view, band, look)
        _scale_time(axes, panel, view)
        (_scale_regret if view.quantity == "regret" else _scale_test)(axes, panel, view)
        if i % COLUMNS == 0:
            axes.set_ylabel(YLABELS[view.quantity])
    add_legend(figure, legend)
    return figure


def _visible(curve: Curve, view: View) -> tuple[Floats, Aggregate]:
    """The times at which a curve is drawn, when as many runs have an answer as ever will, and its statistics there."""
    statistics = curve.regret if view.quantity == "regret" else curve.test
    shown = (statistics.count == statistics.count.max()) & (statistics.count > 0)
    if view.log_time:
        shown &= curve.times > 0
    return curve.times[shown], Aggregate(*(values[shown] for values in vars(statistics).values()))


def _draw_curves(axes: Axes, panel: Panel, view: View, band: Band, look: dict[str, Style]) -> None:
    for i, curve in enumerate(panel.curves):
        times, statistics = _visible(curve, view)
        lower, upper = statistics.band(band)
        colour = look[curve.label].colour
        axes.fill_between(times, lower, upper, color=colour, alpha=0.07, linewidth=0)
        for edge in () if curve.falls else (lower, upper):  # so that bands can be told apart where they overlap
            axes.plot(times, edge, color=colour, alpha=0.45, linewidth=0.6)
        marked = marks(i / len(panel.curves), len(times))
        axes.plot(times, statistics.mean, markevery=marked, zorder=3, **line_style(look[curve.label]))


def _scale_time(axes: Axes, panel: Panel, view: View) -> None:
    axes.set_xlabel(panel.time)
    if view.log_time:
        starts = [times[0] for times, _ in (_visible(curve, view) for curve in panel.curves) if len(times)]
        start = min(starts, default=panel.budget / 1000)
        if start >= panel.budget:  # a single answer, at the end
            start = panel.budget / 10
        axes.set_xlim(start, panel.budget)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1,) if panel.budget > 30 * start else (1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, panel.budget)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 3, 4, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:,.10g}"))


def _scale_test(axes: Axes, panel: Panel, view: View) -> None:
    """From where the lowest curve is soon after its start to just above the optimum, which is drawn and labelled.

    The first architectures of a search are poor; showing them too would squash everything that follows. Where the
    optimum is unknown, the highest curve takes its place.
    """
    curves = [_visible(curve, view) for curve in panel.curves]
    settled = [_settled(curve, panel, view) for curve in panel.curves]
    known = not math.isnan(panel.optimum)
    top = panel.optimum if known else _highest(statistics for _, statistics in curves)
    bottom = min((value for value in settled if value < top), default=top - 1)
    height = top - bottom
    axes.set_ylim(bottom - 0.03 * height, top + 0.13 * height)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    if not known:
        return
    draw_optimum(axes, panel.optimum)


def _highest(curves: Iterable[Aggregate]) -> float:
    """Percent; of the means and upper quartiles."""
    values = [np.maximum(curve.mean, curve.upper).max() for curve in curves if len(curve.mean)]
    return float(max(values, default=100.0))


def _settled(curve: Curve, panel: Panel, view: View) -> float:
    """Mean when EARLY of the search has passed since the curve's start; infinite for a curve that is not drawn.

    Where answers may get worse, what the mean is rarely worse than from then on.
    """
    times, statistics = _visible(curve, view)
    if not len(times):
        return math.inf
    early = times[0] + (EARLY_LOG if view.log_time else EARLY) * (min(curve.end, panel.budget) - times[0])
    settled = statistics.mean[min(np.searchsorted(times, early), len(times) - 1) :]
    if not curve.falls:
        return float(settled[0])
    return -lowest_but_rare(-settled) if view.quantity == "regret" else lowest_but_rare(settled)


def _scale_regret(axes: Axes, panel: Panel, view: View) -> None:
    """A logarithmic axis over the means; zeros (every run has found the optimum) lie below it."""
    curves = [_visible(curve, view) for curve in panel.curves]
    means = np.concatenate([statistics.mean for _, statistics in curves] or [np.empty(0)])
    lowest = float(min(means[means > ZERO], default=0.01))
    settled = [_settled(curve, panel, view) for curve in panel.curves]
    highest = max((value for value in settled if lowest < value < math.inf), default=100 * lowest)
    axes.set_ylim(lowest / 1.6, highest * 1.1)
    axes.set_yscale("log")  # after the limits: it would look for positive data to find its own
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda points, _: f"{points:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _has_curve(entry: Entry) -> bool:
    return not entry.shared or any(map(entry.has_test, entry.runs))


def panel_of(
    header: StudyHeader, entries: Sequence[Entry], dataset: str, interpolation: Interpolation, band: Band = "iqr"
) -> Panel:
    """The curves of a data set, on an axis that is long enough for all."""
    optimum = header.optima[dataset].test if header.optima else math.nan
    there = [entry for entry in entries if dataset in entry.runs]
    end = max(entry.end(dataset) for entry in entries if dataset in entry.runs or not entry.shared)
    clocks = dict.fromkeys(clock(entry.study.header) for entry in entries)
    curves = [_curve(entry, dataset, optimum, interpolation, band) for entry in there]
    return Panel(dataset, end, optimum, curves, f"{' or '.join(clocks)} seconds")


def _curve(entry: Entry, dataset: str, optimum: float, interpolation: Interpolation, band: Band) -> Curve:
    rule: Interpolation = "step" if entry.shared else interpolation
    runs, end = entry.runs[dataset], entry.end(dataset)
    return replace(curve_of(entry.label, runs, end, optimum, rule, interval=band == "ci"), falls=entry.shared)


def _curve_rules(given: SectionInput) -> Iterator[str]:
    """How the curves are drawn."""
    yield BAND_RULES[given.band]
    yield INTERPOLATION_RULES[given.interpolation]
    yield from CURVE_RULES
    if given.header.optima:
        yield REGRET_RULE
    if any(entry.shared for entry in given.entries):
        yield WEIGHT_SHARING_CURVE_RULE
