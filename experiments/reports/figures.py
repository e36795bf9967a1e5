"""The common look of all figures of a report: colours, markers, sizes, legend, files."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath

from benchmarks.errors import InputError
from experiments.records.runs import Floats
from experiments.storage.atomic import write_atomically

Dashes = tuple[float, ...]
"""Lengths of strokes and gaps, in line widths; empty for a solid line."""


class Style(NamedTuple):
    """Look of one algorithm in all reports."""

    colour: str
    marker: str
    dashes: Dashes
    hollow: bool = False
    """Whether the marker is filled with white."""


# Colours that the colour-blind can tell apart: Okabe and Ito, "Color Universal Design", 2008.
MULTI_TRIAL: dict[str, Style] = {
    "random_search": Style("#000000", "o", ()),
    "regularized_ea": Style("#0072B2", "s", (5, 1.5)),
    "reinforce": Style("#D55E00", "^", (3, 1, 1, 1)),
    "bohb": Style("#009E73", "D", (1.5, 1)),
    "hyperband": Style("#E69F00", "v", (6, 1, 1, 1, 1, 1)),
    "local_search": Style("#CC79A7", "P", (4, 1, 2, 1)),
}
# Weight sharing has hollow markers and other colours, from one scheme per space: "bright" and
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
"""Colours of names that are not in STYLES: sky blue, unused multi-trial colours, then the faint yellow."""
SPARE_MARKERS = ("X", "<", ">", "p", "*", "h", "d")  # one more than the methods of a space use
TINTS = (0.5, 0.25, 0.65)
"""Fraction of white in the colour of an algorithm's second, third and fourth line."""
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
    "figure.dpi": 200,  # layouts are computed at this resolution, which must equal the next
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # TrueType: text stays text, and journals accept it
    "svg.hashsalt": "nas-report",  # equal reports are equal files
}
INK, GREY, PALE = "#222222", "#737373", "#B4B4B4"
CENTRED: dict[str, Any] = {"ha": "center", "va": "center_baseline", "color": INK}
BESIDE = 1.1
"""Width of the names next to a matrix of usual size, inches."""
THIN = 1.3
"""Line width of weight-sharing methods, whose curves go up and down."""
RARE = 0.1
"""Fraction of such a line that may lie beyond the end of an axis."""
COLUMNS = 2
"""Panels side by side: a page wide, so that text keeps its size in print and is not tiny on a phone."""
ROW_GAP = 0.06
"""Gap between rows of panels, as a fraction of their height."""
PANEL_INCHES = (3.5, 3.1)
LEAST_WIDTH, MARGIN = 6.0, 0.07  # inches
FORMATS: dict[str, dict[str, Any]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""File name extension -> metadata, without the time of writing, so that equal figures give equal files."""


def styles(labels: Iterable[str]) -> dict[str, Style]:
    """A style for each label, which is the name of an algorithm, perhaps followed by that of a study in brackets.

    Algorithms without a style of their own get the remaining colours in alphabetical order. Further labels of an
    algorithm get tints of its colour, other markers and other dashes.
    """
    families: dict[str, list[str]] = {}
    for label in sorted(set(labels)):
        families.setdefault(label.partition(" (")[0], []).append(label)
    own = {name: STYLES[name] for name in families if name in STYLES}
    used = {style.colour for style in own.values()}
    colours = [SKY_BLUE, *(style.colour for style in MULTI_TRIAL.values() if style.colour not in used), YELLOW]
    markers = [marker for marker in SPARE_MARKERS if marker not in {style.marker for style in own.values()}]
    spare = zip(cycle(markers), cycle(SPARE_DASHES), strict=False)
    for name, colour in zip((name for name in families if name not in STYLES), cycle(colours), strict=False):
        own[name] = Style(colour, *next(spare))
    chosen = {first: own[name] for name, (first, *_) in families.items()}
    for name, (_, *others) in families.items():
        for label, white in zip(others, cycle(TINTS), strict=False):
            chosen[label] = Style(_tint(own[name].colour, white), *next(spare), own[name].hollow)
    return chosen


def _tint(colour: str, white: float) -> str:
    red, green, blue = (part + (1 - part) * white for part in to_rgb(colour))
    return to_hex((red, green, blue))


@contextmanager
def report_style() -> Iterator[None]:
    """Use the style of reports, independent of the user's matplotlibrc."""
    with rc_context():
        rcdefaults()
        rcParams.update(RC)
        yield


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure in every format to `stem` plus suffix; return the paths."""
    figure.draw_without_rendering()
    figure.set_layout_engine(None)  # all formats share this layout, which is computed once
    paths = []
    for suffix, metadata in FORMATS.items():
        paths.append(stem.with_name(f"{stem.name}.{suffix}"))
        figure.savefig(paths[-1], metadata=metadata)
    return paths


def write_figure(figure: Figure, paths: Sequence[Path]) -> None:
    """Write a figure into files of any of the FORMATS, each atomically; equal figures give equal files.

    Raises:
        InputError: see `check_paths`, before any file is written; or a file cannot be written.
    """
    check_paths(paths)
    for path in paths:
        suffix, content = _suffix(path), BytesIO()
        figure.savefig(content, format=suffix, metadata=FORMATS[suffix])
        try:
            write_atomically(path, content.getvalue())
        except OSError as error:
            raise InputError(f"cannot write {path} ({error.strerror}): choose another file") from error


def check_paths(paths: Sequence[Path]) -> None:
    """Raise InputError if a path has no suffix of FORMATS or is a directory."""
    for path in paths:
        if _suffix(path) not in FORMATS:
            raise InputError(f"a drawing is a file *.{', *.'.join(FORMATS)}, got {str(path)!r}")
        if path.is_dir():
            raise InputError(f"cannot write {path} (Is a directory): choose another file")


def _suffix(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


def figure_for(
    panels: int, gap: float = 0.02, columns: int = COLUMNS, inches: tuple[float, float] = PANEL_INCHES
) -> tuple[Figure, list[Axes]]:
    """An empty figure with panels.

    Args:
        gap: between panels, as a fraction of their width.
        columns: maximum number of panels side by side.
        inches: (width, height) of a panel.
    """
    columns = min(columns, panels)
    rows = math.ceil(panels / columns)
    size = (max(LEAST_WIDTH, inches[0] * columns), inches[1] * rows)
    figure = Figure(size, layout=ConstrainedLayoutEngine(w_pad=MARGIN, wspace=gap, hspace=ROW_GAP))
    return figure, [figure.add_subplot(rows, columns, i + 1) for i in range(panels)]


def add_legend(figure: Figure, legend: Mapping[str, str], shown: Collection[str] | None = None) -> None:
    """Add a legend of lines, placed by `place_legend`.

    Args:
        legend: label -> text, for all labels of the report, on which the styles depend.
        shown: labels that this figure draws (default: all).
    """
    look = styles(legend)
    lines = [
        Line2D([], [], label=text, **line_style(look[label]))
        for label, text in legend.items()
        if shown is None or label in shown
    ]
    place_legend(figure, lines)


def place_legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Place a legend in the free place of the last row of panels if it fits there, else below the panels.

    Below the panels, as many handles as fit stand side by side, and the figure grows by the size of the legend.
    """
    rows, rest = divmod(len(figure.axes), COLUMNS)
    if rows and rest:
        size = 1 / COLUMNS, 1 / (rows + 1)
        drawn = figure.legend(handles=handles, loc="center", bbox_to_anchor=(1 - size[0], 0, *size))
        extent = drawn.get_window_extent()
        if extent.width <= size[0] * figure.bbox.width and extent.height <= size[1] * figure.bbox.height:
            return
        drawn.remove()
    for columns in range(len(handles), 0, -1):
        drawn = figure.legend(handles=handles, loc="outside lower center", ncols=columns)
        extent = drawn.get_window_extent()
        if extent.width <= figure.bbox.width:
            break
        if columns > 1:
            drawn.remove()
    width, height = figure.get_size_inches()
    figure.set_size_inches(max(width, extent.width / figure.dpi), height + extent.height / figure.dpi)


def line_style(style: Style) -> dict[str, Any]:
    """A style as keyword arguments of matplotlib's `plot`."""
    line = {"color": style.colour, "marker": style.marker, "dashes": style.dashes}
    if style.hollow:
        edge = {"markerfacecolor": "white", "markeredgecolor": style.colour, "markeredgewidth": 1.1}
        return {**line, **edge, "linewidth": THIN}
    return {**line, "markeredgecolor": "white", "markeredgewidth": 0.5}


def marks(offset: float, points: int) -> tuple[float, float] | None:
    """(first, spacing) of the markers along a line, in diagonals of the axes; None to mark every point.

    Args:
        offset: of the first marker, as a fraction of the spacing, so that the markers of several lines differ.
        points: number of points of the line.
    """
    return (0.02 + 0.14 * offset, 0.14) if points > 1 else None


def draw_optimum(axes: Axes, optimum: float, text: str, *, above: bool) -> None:
    """A thin line at the value of the best architecture, labelled on the side where no curve can be.

    Args:
        text: the value in words.
        above: whether that is the side of larger values.
    """
    axes.axhline(optimum, color="#555555", linewidth=1.1, linestyle=(0, (6, 3)), zorder=2)
    axes.annotate(
        f"optimum {text}", (0.99, optimum), xycoords=axes.get_yaxis_transform(), xytext=(0, 2 if above else -2),
        textcoords="offset points", ha="right", va="bottom" if above else "top", color="#333333", fontsize=10,
    )  # fmt: skip


def lowest_but_rare(values: Floats) -> float:
    """Lower end of an axis that leaves out rare dips, but not the last value."""
    return float(min(values[-1], np.quantile(values, RARE)))


def text_inches(texts: Iterable[str]) -> float:
    """Width of the longest text in the font size of labels."""
    size = rcParams["font.size"]
    return float(max(TextPath((0, 0), text, size=size).get_extents().width for text in texts)) / 72
