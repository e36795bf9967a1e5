"""Figures that compare algorithms: who ends better than whom, rank over time, ranks over data sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.ticker import FuncFormatter, MaxNLocator

from experiments.comparison import Entry
from experiments.figures import (
    COLUMNS,
    LEAST_WIDTH,
    PANEL_INCHES,
    add_legend,
    figure_for,
    line_style,
    marks,
    report_style,
    save,
    styles,
)
from experiments.inference import ALPHA, Comparison, Ranks, expected_ranks
from experiments.recorded_runs import Floats
from experiments.resampling import blocks, resample_step
from experiments.statistics import incumbents

SHARES = np.linspace(0.01, 1, 100)
"""Parts of the budget at which ranks are computed."""
DARK = 0.33
"""Distance of an A12 from 0.5 beyond which its cell is dark, and the text in it white."""
FEW, CELL = 6, 0.36
"""Algorithms up to which matrices stand side by side; inches of a row of a larger one."""
BESIDE = 1.1
"""Inches that names have beside matrices of usual width."""
INK = "#222222"
AXIS, ROW, TOP, NARROW = 3.2, 0.3, 0.85, 0.18
"""Of a diagram, inches: length of the axis, between two labels, above the axis, between two joining lines."""


def write_matrix(compared: Sequence[Comparison], legend: Mapping[str, str], directory: Path) -> None:
    """A panel per data set: the A12 of each algorithm against each other."""
    with report_style():
        save(draw_matrix(compared, legend), directory / "comparison_matrix")


def draw_matrix(compared: Sequence[Comparison], legend: Mapping[str, str]) -> Figure:
    """Rows and columns are numbered alike; names stand at the rows of the leftmost panels."""
    datasets = list(dict.fromkeys(pair.dataset for pair in compared))
    labels = [label for label in legend if any(label in (pair.first, pair.second) for pair in compared)]
    large = len(labels) > FEW
    columns, inches = (1, (LEAST_WIDTH, 0.6 + CELL * len(labels))) if large else (COLUMNS, PANEL_INCHES)
    figure, grid = figure_for(len(datasets), columns=columns, inches=inches)
    for i, (axes, dataset) in enumerate(zip(grid, datasets, strict=True)):
        axes.set_title(dataset)
        _draw_cells(axes, [pair for pair in compared if pair.dataset == dataset], labels)
        numbers = [str(n + 1) for n in range(len(labels))]
        axes.set_xticks(range(len(labels)), numbers)
        named = [f"{label}  {n}" for label, n in zip(labels, numbers, strict=True)]
        axes.set_yticks(range(len(labels)), named if i % columns == 0 else numbers)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width + max(0, _inches(labels) - BESIDE), height)
    return figure


def _inches(texts: Iterable[str]) -> float:
    """Width of the longest in the size of labels."""
    size = rcParams["font.size"]
    return float(max(TextPath((0, 0), text, size=size).get_extents().width for text in texts)) / 72


def _draw_cells(axes: Axes, pairs: Sequence[Comparison], labels: Sequence[str]) -> None:
    colours, size = colormaps["PuOr"], len(labels)
    points = min(10.0, (44 if size <= FEW else 100) / size)
    for pair in pairs:
        i, j = labels.index(pair.first), labels.index(pair.second)
        for row, column, value in ((i, j, pair.a12), (j, i, 1 - pair.a12)):
            axes.fill_between([column - 0.5, column + 0.5], row - 0.5, row + 0.5, color=colours(value), linewidth=0)
            axes.text(
                column, row, f"{value:.2f}{'*' if pair.holm < ALPHA else ''}", ha="center", va="center",
                color="white" if abs(value - 0.5) > DARK else INK, fontsize=points,
            )  # fmt: skip
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def write_ranks_over_time(
    entries: Sequence[Entry], datasets: Sequence[str], legend: Mapping[str, str], directory: Path
) -> None:
    """A panel per data set and, of several, one for their mean; entries have runs on all of them and one budget."""
    ranks = {dataset: _ranks(entries, dataset) for dataset in datasets}
    if len(datasets) > 1:
        ranks[f"mean of {len(datasets)} data sets"] = np.mean(list(ranks.values()), axis=0)
    with report_style():
        figure = draw_ranks(ranks, [entry.label for entry in entries], legend)
        save(figure, directory / "rank_over_time")


def _ranks(entries: Sequence[Entry], dataset: str) -> Floats:
    """Shape (entries, SHARES)."""
    answers = [incumbents(entry.runs[dataset]) for entry in entries]
    ends = [entry.end(dataset) for entry in entries]
    ranks = [
        expected_ranks([resample_step(points, shares * end) for points, end in zip(answers, ends, strict=True)])
        for shares in blocks(SHARES, sum(points.sizes.size for points in answers))
    ]
    return np.concatenate(ranks, axis=1)


def draw_ranks(ranks: Mapping[str, Floats], labels: Sequence[str], legend: Mapping[str, str]) -> Figure:
    """A panel per name.

    Args:
        ranks: name -> ranks, shape (labels, SHARES).
    """
    look = styles(legend)
    every = list(ranks.values())
    lowest, highest = float(np.max(every)) + 0.05, float(np.min(every)) - 0.05  # the best on top, in all panels alike
    figure, grid = figure_for(len(ranks))
    for i, (axes, (name, of_labels)) in enumerate(zip(grid, ranks.items(), strict=True)):
        axes.set_title(name)
        for n, (label, values) in enumerate(zip(labels, of_labels, strict=True)):
            axes.plot(100 * SHARES, values, markevery=marks(n / len(labels), len(SHARES)), **line_style(look[label]))
        axes.set(xlim=(0, 100), ylim=(lowest, highest), xlabel="budget spent (%)")
        axes.set_ylabel("rank (1 is best)" if i % COLUMNS == 0 else "")
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda rank, _: f"{rank:g}"))
    add_legend(figure, legend, labels)
    return figure


def write_diagram(ranks: Ranks, legend: Mapping[str, str], directory: Path) -> None:
    """The critical-difference diagram."""
    with report_style():
        save(draw_diagram(ranks, legend), directory / "critical_difference")


def draw_diagram(ranks: Ranks, legend: Mapping[str, str]) -> Figure:
    """An axis of ranks, best on the left; algorithms hang from it on two sides; thick lines join groups below it.

    As in Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006, figure 1.
    """
    names = sorted(ranks.average, key=lambda name: ranks.average[name])
    groups, look, last = ranks.groups(), styles(legend), len(names)
    rows, deep = (last + 1) // 2, 0.2 + NARROW * len(groups)
    texts = {name: f"{name}  {ranks.average[name]:.2f}" for name in names}
    beside = _inches(texts.values())
    height, width = TOP + deep + ROW * rows + 0.1, AXIS + 2 * (beside + 0.25)
    figure = Figure((width, height))
    axes = figure.add_axes((0.5 - AXIS / width / 2, 0, AXIS / width, 1))  # names stand outside
    axes.set(xlim=(1, last), ylim=(height - TOP, -TOP))  # inches below the axis of ranks
    axes.set_axis_off()
    _draw_rank_axis(axes, ranks, last)
    for i, (name, rank) in enumerate((name, ranks.average[name]) for name in names):
        left = i < rows
        y = deep + ROW * (i if left else last - 1 - i) + ROW / 2
        edge = 1 - 0.02 * (last - 1) if left else last + 0.02 * (last - 1)
        axes.plot([rank, rank, edge], [0, y, y], color=look[name].colour, linewidth=1.3, clip_on=False)
        text = texts[name] if left else f"{rank:.2f}  {name}"
        axes.annotate(text, (edge, y), xytext=(-4 if left else 4, 0), textcoords="offset points", va="center",
                      ha="right" if left else "left", color=INK, annotation_clip=False)  # fmt: skip
    margin = 0.012 * (last - 1)
    for i, group in enumerate(groups):
        ends = [ranks.average[group[0]] - margin, ranks.average[group[-1]] + margin]
        axes.plot(ends, [0.17 + NARROW * i] * 2, color=INK, linewidth=4.5, solid_capstyle="butt", clip_on=False)
    return figure


def _draw_rank_axis(axes: Axes, ranks: Ranks, last: int) -> None:
    """The axis with its numbers above, and above that the bar of the critical difference."""
    axes.plot([1, last], [0, 0], color=INK, linewidth=1.3, clip_on=False)
    for rank in range(1, last + 1):
        axes.plot([rank, rank], [0, -0.08], color=INK, linewidth=1.3, clip_on=False)
        axes.text(rank, -0.13, str(rank), ha="center", va="bottom", color=INK)
    length = min(ranks.critical_difference, last - 1)
    axes.plot([1, 1 + length], [-0.5, -0.5], color=INK, linewidth=1.3)
    for end in (1, 1 + length):
        axes.plot([end, end], [-0.55, -0.45], color=INK, linewidth=1.3, clip_on=False)
    beyond = " (beyond the axis)" if length < ranks.critical_difference else ""
    text = f"CD = {ranks.critical_difference:.2f}{beyond}"
    axes.text(1 + length / 2, -0.58, text, ha="center", va="bottom", color=INK)
