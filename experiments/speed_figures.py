"""A figure of how many runs have reached a target, over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from experiments.anytime import Reached, reach, reached_by
from experiments.comparison import Entry
from experiments.figures import COLUMNS, add_legend, figure_for, line_style, marks, report_style, save, styles
from experiments.report_notes import clock


def write_reached(
    targets: Mapping[str, float], entries: Sequence[Entry], legend: Mapping[str, str], directory: Path
) -> None:
    """A panel per data set.

    Args:
        targets: data set, of which there are runs -> percent test accuracy.
    """
    there = {dataset: [entry for entry in entries if dataset in entry.runs] for dataset in targets}
    found = {
        dataset: {entry.label: reach(entry.runs[dataset], targets[dataset], entry.end(dataset)) for entry in some}
        for dataset, some in there.items()
    }
    ends = {dataset: max(entry.end(dataset) for entry in some) for dataset, some in there.items()}
    with report_style():
        figure = draw_reached(found, targets, ends, legend, f"{clock(entries[0].study.header)} seconds")
        save(figure, directory / "reached")


def draw_reached(
    found: Mapping[str, Mapping[str, Reached]],
    targets: Mapping[str, float],
    ends: Mapping[str, float],
    legend: Mapping[str, str],
    time: str,
) -> Figure:
    """A panel per data set; the steps of each line go on to the end of the search.

    Args:
        found: data set -> label -> when runs reached the target.
        targets: data set -> percent test accuracy.
        ends: data set -> seconds.
        time: what the axis counts.
    """
    look = styles(legend)
    figure, grid = figure_for(len(found))
    for i, (axes, (dataset, lines)) in enumerate(zip(grid, found.items(), strict=True)):
        axes.set_title(f"{dataset}: {targets[dataset]:.2f} %")
        for n, (label, reached) in enumerate(lines.items()):
            times, fraction = reached_by(reached.seconds, reached.reached)
            times, fraction = np.concatenate([[0], times, [ends[dataset]]]), np.append(0, fraction)
            shown = np.append(times[:-1] <= ends[dataset], True)
            fraction = np.append(fraction, fraction[shown[:-1]][-1])
            axes.plot(
                times[shown], fraction[shown], drawstyle="steps-post", markevery=marks(n / len(lines), len(times)),
                **line_style(look[label]),
            )  # fmt: skip
        axes.set(xlim=(0, ends[dataset]), ylim=(-0.03, 1.03), xlabel=time)
        axes.set_ylabel("runs that reached the target" if i % COLUMNS == 0 else "")
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 3, 4, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:,.10g}"))
    add_legend(figure, legend, [label for lines in found.values() for label in lines])
    return figure
