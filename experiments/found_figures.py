"""Figures of the architectures that searches ended with: how often, and what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from benchmarks.spaces import Space
from benchmarks.spaces.sss import CHANNELS
from experiments.drawing import CELL_INCHES, CENTRED, CHANNELS_INCHES, WIDTH_INCHES, draw_cell, draw_channels
from experiments.figures import COLUMNS, figure_for, place_legend, report_style, save, styles

if TYPE_CHECKING:
    from experiments.found_report import Found

TITLE_INCHES = 0.45


def write_counts(found: Mapping[str, Sequence[Found]], legend: Mapping[str, str], directory: Path) -> None:
    """A panel per data set: a bar per architecture, as long as the number of runs that ended with it."""
    with report_style():
        save(draw_counts(found, legend), directory / "found")


def draw_counts(found: Mapping[str, Sequence[Found]], legend: Mapping[str, str]) -> Figure:
    """Bars are made up of the runs of each algorithm.

    Args:
        found: data set -> architectures, the most frequent first.
    """
    look = styles(legend)
    figure, grid = figure_for(len(found), gap=0.04)
    for i, (axes, (dataset, architectures)) in enumerate(zip(grid, found.items(), strict=True)):
        axes.set_title(dataset)
        for row, one in enumerate(architectures):
            left = 0
            for label in (label for label in legend if label in one.runs):
                axes.barh(row, one.runs[label], left=left, height=0.7, color=look[label].colour, edgecolor="white")
                left += one.runs[label]
        axes.set_yticks(range(len(architectures)), [str(one.architecture) for one in architectures])
        axes.set(xlabel="runs", ylabel="architecture" if i % COLUMNS == 0 else "")
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    shown = {label for architectures in found.values() for one in architectures for label in one.runs}
    patches = [Patch(color=look[label].colour, label=label) for label in legend if label in shown]
    place_legend(figure, patches)
    return figure


def write_cells(space: Space, chosen: Mapping[str, tuple[int, str]], directory: Path) -> None:
    """Draw an architecture per data set, one below the other.

    Args:
        space: tss or sss.
        chosen: data set -> (official index, title).
    """
    with report_style():
        save(draw_cells(space, list(chosen.values())), directory / "found_cells")


def draw_cells(space: Space, chosen: Sequence[tuple[int, str]]) -> Figure:
    """Cells (tss), or the channels of the layers (sss), under their titles."""
    each = TITLE_INCHES + (CELL_INCHES if space.name == "tss" else CHANNELS_INCHES)
    height = each * len(chosen)
    figure = Figure((WIDTH_INCHES, height))
    for i, (architecture, title) in enumerate(chosen):
        arch, top = space.arch(architecture), height - each * i
        figure.text(0.5, (top - 0.27) / height, title, fontsize=13, weight="bold", **CENTRED)
        axes = figure.add_axes((0, (top - each) / height, 1, (each - TITLE_INCHES) / height))
        if space.name == "tss":
            draw_cell(axes, arch)
        else:
            draw_channels(axes, [CHANNELS[choice] for choice in arch])
    return figure
