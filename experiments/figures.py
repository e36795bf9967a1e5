"""Figures of a report: test accuracy of the incumbent, and its regret, over the time of the search.

A line is the mean over runs, drawn from the moment at which every run has an answer; before, a mean would be over the
fastest runs only. The band is around it: quartiles, standard error or standard deviation. The mean may leave the
inter-quartile band while a few runs lag far behind; this is information, not an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from experiments.statistics import (
    Aggregate,
    Band,
    Floats,
    Interpolation,
    Runs,
    aggregate,
    curve_times,
    regret,
    resample,
)

Dashes = tuple[float, ...]
"""Lengths of strokes and gaps in line widths; empty for a solid line."""


class Style(NamedTuple):
    """How one algorithm is drawn in every report."""

    colour: str
    marker: str
    dashes: Dashes


# Colours that the colour-blind can tell apart: Okabe and Ito, "Color Universal Design", 2008.
STYLES: dict[str, Style] = {
    "random_search": Style("#000000", "o", ()),
    "regularized_ea": Style("#0072B2", "s", (5, 1.5)),
    "reinforce": Style("#D55E00", "^", (3, 1, 1, 1)),
    "bohb": Style("#009E73", "D", (1.5, 1)),
    "hyperband": Style("#E69F00", "v", (6, 1, 1, 1, 1, 1)),
    "local_search": Style("#CC79A7", "P", (4, 1, 2, 1)),
}
SKY_BLUE, YELLOW = "#56B4E9", "#F0E442"
"""For names that are not in STYLES: sky blue, then the colours that the report does not use, then the faint yellow."""
SPARE_MARKERS = ("X", "<", ">", "p", "*", "h", "d")
SPARE_DASHES: tuple[Dashes, ...] = ((2, 2), (8, 2), (5, 1, 1, 1), (7, 1, 3, 1))

RC: dict[Any, Any] = {
    "font.size": 11,
    "axes.labelsize": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.7,
    "lines.markersize": 5,
    "legend.frameon": False,
    "legend.borderaxespad": 0.2,
    "legend.columnspacing": 1.5,
    "legend.fontsize": 10,
    "legend.handlelength": 3.2,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # TrueType: text stays text, and journals accept it
    "svg.hashsalt": "nas-report",  # equal reports are equal files
}
PANEL_INCHES = (3.7, 3.3)
LEAST_WIDTH = 6.0  # inches
FORMATS: dict[str, dict[str, Any]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""File name extension -> metadata; none says when a file was written."""

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
}
"""File name -> what it shows."""
YLABELS = {"test": "test accuracy (%)", "regret": "regret (percentage points)"}


@dataclass(frozen=True)
class Curve:
    """One algorithm on one data set."""

    label: str
    times: Floats
    """Simulated seconds, shape (times,), ascending."""
    test: Aggregate
    """Percent; shape (times,)."""
    regret: Aggregate
    """Percentage points; shape (times,)."""


@dataclass(frozen=True)
class Panel:
    """One data set."""

    dataset: str
    budget: float
    """Seconds."""
    optimum: float
    """Percent test accuracy of the table's best architecture; NaN where it is unknown."""
    curves: Sequence[Curve]
    time: str = "simulated seconds"
    """What the clock of the searches counts."""


def styles(labels: Iterable[str]) -> dict[str, Style]:
    """A style for each label: its own, or the remaining colours in alphabetical order of the labels."""
    labels = set(labels)
    chosen = {label: STYLES[label] for label in labels & STYLES.keys()}
    used = {style.colour for style in chosen.values()}
    colours = [SKY_BLUE, *(style.colour for style in STYLES.values() if style.colour not in used), YELLOW]
    for i, label in enumerate(sorted(labels - STYLES.keys())):
        chosen[label] = Style(
            colours[i % len(colours)], SPARE_MARKERS[i % len(SPARE_MARKERS)], SPARE_DASHES[i % len(SPARE_DASHES)]
        )
    return chosen


def panel(dataset: str, budget: float, optimum: float, runs: Mapping[str, Runs], interpolation: Interpolation) -> Panel:
    """The curves of one data set.

    Args:
        runs: label -> its runs on this data set.
        optimum: percent test accuracy; NaN if it is unknown.
    """
    times = curve_times(budget, interpolation)
    curves = []
    for label, of_label in runs.items():
        test = resample(of_label, times, interpolation)
        curves.append(Curve(label, times, aggregate(test), aggregate(regret(optimum, test))))
    return Panel(dataset, budget, optimum, curves)


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
    paths = []
    with rc_context():
        rcdefaults()  # whatever the user's matplotlibrc says
        rcParams.update(RC)
        for name, view in views(panels).items():
            figure = draw(panels, legend, band, view)
            for suffix, metadata in FORMATS.items():
                paths.append(directory / f"{name}.{suffix}")
                figure.savefig(paths[-1], metadata=metadata)
                figure.set_layout_engine("none")  # every format in the layout of the first
    return paths


def draw(panels: Sequence[Panel], legend: Mapping[str, str], band: Band, view: View) -> Figure:
    """One panel per data set, three in a row, and a common legend below."""
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure((max(LEAST_WIDTH, PANEL_INCHES[0] * columns), PANEL_INCHES[1] * rows), layout="constrained")
    look = styles(legend)
    for i, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, i + 1, title=panel.dataset)
        _draw_curves(axes, panel, view, band, look)
        _scale_time(axes, panel, view)
        (_scale_regret if view.quantity == "regret" else _scale_test)(axes, panel, view)
        if i % columns == 0:
            axes.set_ylabel(YLABELS[view.quantity])
    _add_legend(figure, [Line2D([], [], label=text, **_line(look[label])) for label, text in legend.items()])
    return figure


def _add_legend(figure: Figure, lines: Sequence[Line2D]) -> None:
    """Below the panels, as many lines side by side as fit; the figure grows by the legend's size."""
    for columns in range(len(lines), 0, -1):
        legend = figure.legend(handles=lines, loc="outside lower center", ncols=columns)
        extent = legend.get_window_extent()
        if extent.width <= figure.bbox.width:
            break
        if columns > 1:
            legend.remove()
    width, height = figure.get_size_inches()
    figure.set_size_inches(max(width, extent.width / figure.dpi), height + extent.height / figure.dpi)


def _line(style: Style) -> dict[str, Any]:
    return {
        "color": style.colour,
        "marker": style.marker,
        "dashes": style.dashes,
        "markeredgecolor": "white",
        "markeredgewidth": 0.5,
    }


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
        for edge in (lower, upper):  # so that bands can be told apart where they overlap
            axes.plot(times, edge, color=colour, alpha=0.45, linewidth=0.6)
        marked = (0.02 + 0.14 * i / len(panel.curves), 0.14)  # (first, spacing) along the line, in axes diagonals
        axes.plot(times, statistics.mean, markevery=marked, zorder=3, **_line(look[curve.label]))


def _scale_time(axes: Axes, panel: Panel, view: View) -> None:
    axes.set_xlabel(panel.time)
    if view.log_time:
        starts = [times[0] for times, _ in (_visible(curve, view) for curve in panel.curves) if len(times)]
        start = min(starts, default=panel.budget / 1000)
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
    settled = [_settled(times, statistics, panel.budget, view) for times, statistics in curves]
    known = not math.isnan(panel.optimum)
    top = panel.optimum if known else _highest(statistics for _, statistics in curves)
    bottom = min((value for value in settled if value < top), default=top - 1)
    height = top - bottom
    axes.set_ylim(bottom - 0.03 * height, top + 0.13 * height)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    if not known:
        return
    axes.axhline(panel.optimum, color="#555555", linewidth=1.1, linestyle=(0, (6, 3)), zorder=2)
    axes.annotate(
        f"optimum {panel.optimum:.2f}", (0.99, panel.optimum), xycoords=axes.get_yaxis_transform(), xytext=(0, 2),
        textcoords="offset points", ha="right", va="bottom", color="#333333", fontsize=10,
    )  # fmt: skip


def _highest(curves: Iterable[Aggregate]) -> float:
    """Percent; of the means and upper quartiles."""
    values = [np.maximum(curve.mean, curve.upper).max() for curve in curves if len(curve.mean)]
    return float(max(values, default=100.0))


def _settled(times: Floats, statistics: Aggregate, budget: float, view: View) -> float:
    """Mean when EARLY of the budget has passed since the curve's start; infinite for a curve that is not drawn."""
    if not len(times):
        return math.inf
    early = times[0] + (EARLY_LOG if view.log_time else EARLY) * (budget - times[0])
    return float(statistics.mean[np.searchsorted(times, early)])


def _scale_regret(axes: Axes, panel: Panel, view: View) -> None:
    """A logarithmic axis over the means; zeros (every run has found the optimum) lie below it."""
    curves = [_visible(curve, view) for curve in panel.curves]
    means = np.concatenate([statistics.mean for _, statistics in curves] or [np.empty(0)])
    lowest = float(min(means[means > ZERO], default=0.01))
    settled = [_settled(times, statistics, panel.budget, view) for times, statistics in curves]
    highest = max((value for value in settled if lowest < value < math.inf), default=100 * lowest)
    axes.set_ylim(lowest / 1.6, highest * 1.1)
    axes.set_yscale("log")  # after the limits: it would look for positive data to find its own
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda points, _: f"{points:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
