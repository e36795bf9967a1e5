"""How every figure of a report looks: colours, markers, sizes, legend, files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from experiments.statistics import Floats

Dashes = tuple[float, ...]
"""Lengths of strokes and gaps in line widths; empty for a solid line."""


class Style(NamedTuple):
    """How one algorithm is drawn in every report."""

    colour: str
    marker: str
    dashes: Dashes
    hollow: bool = False
    """Whether the inside of the marker is white."""


# Colours that the colour-blind can tell apart: Okabe and Ito, "Color Universal Design", 2008.
MULTI_TRIAL: dict[str, Style] = {
    "random_search": Style("#000000", "o", ()),
    "regularized_ea": Style("#0072B2", "s", (5, 1.5)),
    "reinforce": Style("#D55E00", "^", (3, 1, 1, 1)),
    "bohb": Style("#009E73", "D", (1.5, 1)),
    "hyperband": Style("#E69F00", "v", (6, 1, 1, 1, 1, 1)),
    "local_search": Style("#CC79A7", "P", (4, 1, 2, 1)),
}
# Others for weight sharing, whose markers are hollow, and for each space a scheme of its own: "bright" and
# "high-contrast" of Paul Tol, "Colour Schemes", SRON/EPS/TN/09-002, 2021.
WEIGHT_SHARING: dict[str, Style] = {
    "darts_v1": Style("#EE6677", "<", (9, 1.5), hollow=True),
    "darts_v2": Style("#AA3377", ">", (3, 1.5), hollow=True),
    "gdas": Style("#4477AA", "d", (10, 1, 1, 1), hollow=True),
    "setn": Style("#228833", "p", (4, 1, 1, 1, 1, 1), hollow=True),
    "enas": Style("#CCBB44", "X", (7, 1, 2, 1), hollow=True),
    "random_nas": Style("#66CCEE", "*", (2, 0.8), hollow=True),
    "tas": Style("#004488", "<", (9, 1.5), hollow=True),
    "mask_gumbel": Style("#BB5566", "d", (10, 1, 1, 1), hollow=True),
    "mask_rl": Style("#DDAA33", "X", (3, 1.5), hollow=True),
}
STYLES = MULTI_TRIAL | WEIGHT_SHARING
SKY_BLUE, YELLOW = "#56B4E9", "#F0E442"
"""For names that are not in STYLES: sky blue, then multi-trial colours that are not used, then the faint yellow."""
SPARE_MARKERS = ("X", "<", ">", "p", "*", "h", "d")  # one more than the methods of a space use
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
THIN = 1.3
"""Width of the lines of weight sharing, which go up and down."""
RARE = 0.1
"""Part of such a line that may lie beyond the end of an axis."""
COLUMNS = 3
"""Panels side by side."""
PANEL_INCHES = (3.7, 3.3)
LEAST_WIDTH = 6.0  # inches
FORMATS: dict[str, dict[str, Any]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""File name extension -> metadata; none says when a file was written."""


def styles(labels: Iterable[str]) -> dict[str, Style]:
    """A style for each label: its own, or the remaining colours in alphabetical order of the labels."""
    labels = set(labels)
    chosen = {label: STYLES[label] for label in labels & STYLES.keys()}
    used = {style.colour for style in chosen.values()}
    colours = [SKY_BLUE, *(style.colour for style in MULTI_TRIAL.values() if style.colour not in used), YELLOW]
    markers = [marker for marker in SPARE_MARKERS if marker not in {style.marker for style in chosen.values()}]
    for i, label in enumerate(sorted(labels - STYLES.keys())):
        chosen[label] = Style(colours[i % len(colours)], markers[i % len(markers)], SPARE_DASHES[i % len(SPARE_DASHES)])
    return chosen


@contextmanager
def report_style() -> Iterator[None]:
    """The style of reports, whatever the user's matplotlibrc says."""
    with rc_context():
        rcdefaults()
        rcParams.update(RC)
        yield


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure in every format, `stem` with the suffix appended; return the files' paths."""
    paths = []
    for suffix, metadata in FORMATS.items():
        paths.append(stem.with_name(f"{stem.name}.{suffix}"))
        figure.savefig(paths[-1], metadata=metadata)
        figure.set_layout_engine("none")  # every format in the layout of the first
    return paths


def figure_for(panels: int, gap: float = 0.02) -> tuple[Figure, list[Axes]]:
    """An empty figure with panels.

    Args:
        gap: between panels, as a part of their width.
    """
    columns = min(COLUMNS, panels)
    rows = math.ceil(panels / columns)
    size = (max(LEAST_WIDTH, PANEL_INCHES[0] * columns), PANEL_INCHES[1] * rows)
    figure = Figure(size, layout=ConstrainedLayoutEngine(wspace=gap))
    return figure, [figure.add_subplot(rows, columns, i + 1) for i in range(panels)]


def add_legend(figure: Figure, legend: Mapping[str, str]) -> None:
    """Below the panels, as many lines side by side as fit; the figure grows by the legend's size."""
    look = styles(legend)
    lines = [Line2D([], [], label=text, **line_style(look[label])) for label, text in legend.items()]
    for columns in range(len(lines), 0, -1):
        drawn = figure.legend(handles=lines, loc="outside lower center", ncols=columns)
        extent = drawn.get_window_extent()
        if extent.width <= figure.bbox.width:
            break
        if columns > 1:
            drawn.remove()
    width, height = figure.get_size_inches()
    figure.set_size_inches(max(width, extent.width / figure.dpi), height + extent.height / figure.dpi)


def line_style(style: Style) -> dict[str, Any]:
    """What matplotlib calls it."""
    line = {"color": style.colour, "marker": style.marker, "dashes": style.dashes}
    if style.hollow:
        edge = {"markerfacecolor": "white", "markeredgecolor": style.colour, "markeredgewidth": 1.1}
        return {**line, **edge, "linewidth": THIN}
    return {**line, "markeredgecolor": "white", "markeredgewidth": 0.5}


def marks(offset: float, points: int) -> tuple[float, float] | None:
    """(first, spacing) of the markers along a line in axes diagonals; None to mark every point.

    Args:
        offset: of this line's first marker, as a part of the spacing, so that markers of several lines differ.
        points: of the line.
    """
    return (0.02 + 0.14 * offset, 0.14) if points > 1 else None


def draw_optimum(axes: Axes, optimum: float) -> None:
    """A thin labelled line at the best architecture's percent."""
    axes.axhline(optimum, color="#555555", linewidth=1.1, linestyle=(0, (6, 3)), zorder=2)
    axes.annotate(
        f"optimum {optimum:.2f}", (0.99, optimum), xycoords=axes.get_yaxis_transform(), xytext=(0, 2),
        textcoords="offset points", ha="right", va="bottom", color="#333333", fontsize=10,
    )  # fmt: skip


def lowest_but_rare(values: Floats) -> float:
    """Where an axis begins that leaves out rare dips, but not the last value."""
    return float(min(values[-1], np.quantile(values, RARE)))
