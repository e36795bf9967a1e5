"""Section: anytime performance. The metric of the incumbent, and its regret, over seconds or evaluations.

A line is the mean over runs, drawn from the moment when every run has an incumbent; earlier, it would be a mean over
the fastest runs only. The band around it shows quartiles, standard error, standard deviation or bootstrap interval. The
mean may leave the interquartile band while a few runs lag far behind: that is information, not an error.
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

from experiments.records.runs import Floats, Runs
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
from experiments.reports.measures import Measure, with_unit
from experiments.reports.section import SectionInput
from experiments.reports.text import BAND_RULES, bullets, figure
from experiments.statistics.aggregates import Aggregate, Band, Interpolation, aggregate, regret
from experiments.statistics.resampling import blocks, curve_times, resample

EARLY, EARLY_LOG = 0.05, 0.01
"""Fraction of the search after which the y axis shows a curve completely, on a linear and a logarithmic x axis."""
ZERO = 1e-6
"""Regret up to which a difference is due to rounding."""
CURVE_RULES = (
    "A curve begins when all its runs have an incumbent.",
    "The axis of the {judged} begins where the worst curve is early in the search, to leave out the first, poor "
    "architectures.",
)
LOOK_UP_RULE = (
    "Searchers see validation scores at the search fidelity only; {judged} at the reporting fidelity is looked up "
    "afterwards."
)
WEIGHT_SHARING_CURVE_RULE = (
    "A weight-sharing run counts with the architecture derived after its last finished epoch, whatever the rule "
    "between trials. Its lines end with the longest run, and the axis leaves out dips that make up less than a tenth "
    "of a line."
)
NO_CURVES = (
    "There are no curves of {judged}: without a benchmark table, the {metric} of the architectures that weight sharing "
    "derived is unknown."
)
NO_EVALUATIONS = "Weight-sharing methods are left out: they train a supernet and have no evaluations to count."
REGRET_RULE = (
    "Regret is the distance of the incumbent's {judged} from the optimum's; the mean is taken before the logarithm."
)
INTERPOLATION_RULES: dict[Interpolation, str] = {
    "step": "At each time, a run counts with its latest incumbent; a run that has ended keeps its last one.",
    "nats": "Between trials, curves follow the published NATS-Bench scripts: at i/150 of the budget, i = 0, ..., 149, "
    "a run counts with the line through its two trials nearest in time, which also extrapolates.",
}


class View(NamedTuple):
    """What a figure shows."""

    quantity: Literal["score", "regret"]
    log_time: bool
    caption: str
    """Caption with placeholders for the compared quantity and for the unit of the time axis."""


FIGURES = {
    "incumbent": View("score", False, "{judged} of the incumbent over {time}"),
    "log_regret": View("regret", False, "Regret of the incumbent, logarithmic, over {time}"),
    "incumbent_log_time": View("score", True, "{judged} of the incumbent over {time}, logarithmic"),
    "log_regret_log_time": View("regret", True, "Regret of the incumbent over {time}, both logarithmic"),
}
"""File name -> what it shows."""


@dataclass(frozen=True)
class Curve:
    """One algorithm on one data set."""

    label: str
    times: Floats
    """Seconds or evaluations, shape (times,), ascending."""
    score: Aggregate
    """Final score of the incumbents; shape (times,)."""
    regret: Aggregate
    """Shape (times,)."""
    end: float = math.inf
    """Time at which its searches end, if before the end of the panel."""
    falls: bool = False
    """Whether an incumbent may be worse than an earlier one, as in weight sharing: the axis shows that unless rare."""


@dataclass(frozen=True)
class Panel:
    """One data set."""

    dataset: str
    end: float
    """End of the time axis."""
    optimum: float
    """Score of the best architecture; NaN if unknown."""
    curves: Sequence[Curve]
    measure: Measure
    time: str = "simulated seconds"
    """What the time axis counts."""


def section(given: SectionInput) -> str:
    """The metric and the regret of the incumbents over the search."""
    timed = [entry for entry in given.entries if given.over == "seconds" or not entry.weight_sharing]
    drawn = [entry for entry in timed if not entry.weight_sharing or any(map(entry.has_final, entry.runs))]
    if not drawn:
        metric = next(iter(given.measures.values())).metric.name
        return "\n\n".join(["## Curves", NO_CURVES.format(judged=given.judged, metric=metric)])
    panels = [panel_of(given, drawn, dataset) for dataset in given.header.settings.datasets]
    write_figures(panels, legend_of(drawn), given.band, given.directory)
    judged, time = given.judged.capitalize(), "time" if given.over == "seconds" else given.over
    figures = (figure(name, view.caption.format(judged=judged, time=time)) for name, view in views(panels).items())
    return "\n\n".join(["## Curves", *figures, bullets(_curve_rules(given))])


def panel_of(given: SectionInput, entries: Sequence[Entry], dataset: str) -> Panel:
    """The curves of a data set, on an axis that is long enough for all."""
    optimum = given.header.optima[dataset].final if given.header.optima else math.nan
    curves = [_curve(given, entry, dataset, optimum) for entry in entries if dataset in entry.runs]
    end = max(entry.ends[dataset] for entry in entries if dataset in entry.ends)
    return Panel(dataset, end, optimum, curves, given.measures[dataset], given.axis)


def _curve(given: SectionInput, entry: Entry, dataset: str, optimum: float) -> Curve:
    rule: Interpolation = "step" if entry.weight_sharing else given.interpolation
    runs, end = entry.runs[dataset], entry.ends[dataset]
    curve = curve_of(entry.label, runs, end, optimum, rule, interval=given.band == "ci")
    return replace(curve, falls=entry.weight_sharing)


def curve_of(
    label: str, runs: Runs, end: float, optimum: float, interpolation: Interpolation, *, interval: bool = False
) -> Curve:
    """The line of one algorithm on one data set.

    Args:
        end: time up to which it is drawn.
        optimum: score of the best architecture; NaN if unknown.
        interval: whether to compute bootstrap intervals.
    """
    times = curve_times(end, interpolation)
    scores, regrets = [], []
    for some in blocks(times, len(runs)):
        values = resample(runs, some, interpolation)
        scores.append(aggregate(values, interval=interval))
        regrets.append(aggregate(regret(optimum, values), interval=interval))
    return Curve(label, times, Aggregate.concatenate(scores), Aggregate.concatenate(regrets), end)


def _curve_rules(given: SectionInput) -> Iterator[str]:
    """How the curves are drawn."""
    yield BAND_RULES[given.band]
    yield INTERPOLATION_RULES[given.interpolation]
    yield from (rule.format(judged=given.judged) for rule in CURVE_RULES)
    yield LOOK_UP_RULE.format(judged=given.judged)
    if given.header.optima:
        yield REGRET_RULE.format(judged=given.judged)
    if any(entry.weight_sharing for entry in given.entries):
        yield WEIGHT_SHARING_CURVE_RULE if given.over == "seconds" else NO_EVALUATIONS


def views(panels: Sequence[Panel]) -> dict[str, View]:
    """The figures that can be drawn: regret needs an optimum."""
    known = not any(math.isnan(panel.optimum) for panel in panels)
    return {name: view for name, view in FIGURES.items() if known or view.quantity != "regret"}


def write_figures(panels: Sequence[Panel], legend: Mapping[str, str], band: Band, directory: Path) -> list[Path]:
    """Draw the figures that can be drawn, in every format; equal input gives equal files.

    Args:
        legend: label of a curve -> its text in the legend.

    Returns: the files' paths, NAME.png before NAME.svg and NAME.pdf.
    """
    with report_style():
        drawn = {name: draw(panels, legend, band, view) for name, view in views(panels).items()}
        return [path for name, figure in drawn.items() for path in save(figure, directory / name)]


def draw(panels: Sequence[Panel], legend: Mapping[str, str], band: Band, view: View) -> Figure:
    """One panel per data set, two side by side, and a common legend below."""
    figure, grid = figure_for(len(panels))
    look = styles(legend)
    labels = [_label(panel.measure, view) for panel in panels]
    for i, (axes, panel) in enumerate(zip(grid, panels, strict=True)):
        axes.set_title(panel.dataset)
        _draw_curves(axes, panel, view, band, look)
        _scale_time(axes, panel, view)
        (_scale_regret if view.quantity == "regret" else _scale_score)(axes, panel, view)
        if i % COLUMNS == 0 or len(set(labels)) > 1:
            axes.set_ylabel(labels[i])
    add_legend(figure, legend)
    return figure


def _label(measure: Measure, view: View) -> str:
    return with_unit("regret", measure.difference_unit) if view.quantity == "regret" else measure.label


def _visible(curve: Curve, view: View) -> tuple[Floats, Aggregate]:
    """(times, statistics) where a curve is drawn: from when as many runs have an incumbent as ever will."""
    statistics = curve.regret if view.quantity == "regret" else curve.score
    shown = (statistics.count == statistics.count.max()) & (statistics.count > 0)
    if view.log_time:
        shown &= curve.times > 0
    return curve.times[shown], Aggregate(*(values[shown] for values in vars(statistics).values()))


def _draw_curves(axes: Axes, panel: Panel, view: View, band: Band, look: dict[str, Style]) -> None:
    for i, curve in enumerate(panel.curves):
        times, statistics = _visible(curve, view)
        if view.quantity == "score":
            statistics = statistics.in_units_of(panel.measure.metric)
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
        start = min(starts, default=panel.end / 1000)
        if start >= panel.end:  # a single incumbent, at the end
            start = panel.end / 10
        axes.set_xlim(start, panel.end)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1,) if panel.end > 30 * start else (1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, panel.end)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 3, 4, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda time, _: f"{time:,.10g}"))


def _scale_score(axes: Axes, panel: Panel, view: View) -> None:
    """Scale the axis from where the worst curve is soon after its start to just beyond the optimum, which is drawn.

    The first architectures of a search are poor; showing them too would squash everything that follows. Where the
    optimum is unknown, the best curve takes its place.
    """
    curves = [_visible(curve, view) for curve in panel.curves]
    settled = [_settled(curve, panel, view) for curve in panel.curves]
    known = not math.isnan(panel.optimum)
    best = panel.optimum if known else _best(statistics for _, statistics in curves)
    worst = min((score for score in settled if score < best), default=best - 1)
    margin = best - worst
    axes.set_ylim(*sorted(panel.measure.value(end) for end in (worst - 0.03 * margin, best + 0.13 * margin)))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    if known:
        optimum, metric = panel.optimum, panel.measure.metric
        draw_optimum(axes, metric.value(optimum), panel.measure.number(optimum), above=metric.larger_is_better)


def _best(curves: Iterable[Aggregate]) -> float:
    """The best score among means and upper quartiles."""
    scores = [np.maximum(curve.mean, curve.upper).max() for curve in curves if len(curve.mean)]
    return float(max(scores, default=0.0))


def _settled(curve: Curve, panel: Panel, view: View) -> float:
    """Mean when EARLY of the search has passed since the curve's start; infinite for a curve that is not drawn.

    For curves that may get worse: the value that the mean is rarely worse than from then on.
    """
    times, statistics = _visible(curve, view)
    if not len(times):
        return math.inf
    early = times[0] + (EARLY_LOG if view.log_time else EARLY) * (min(curve.end, panel.end) - times[0])
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
    axes.set_yscale("log")  # after the limits, since it would look for positive data to find its own
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda points, _: f"{points:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
