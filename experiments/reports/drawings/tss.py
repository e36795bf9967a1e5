"""Drawing of an architecture of tss: its cell as a graph."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Outline

from benchmarks.spaces import Arch, TopologySpace
from benchmarks.spaces.tss import EDGES, OPERATIONS, live_edges
from experiments.records.runs import Floats
from experiments.reports.drawings.drawing import Drawing
from experiments.reports.figures import CENTRED, GREY, INK, PALE, SKY_BLUE, STYLES

CELL_INCHES = 3.7
"""Height of a drawn cell."""


class Look(NamedTuple):
    """How an edge of a cell is drawn."""

    colour: str
    text_colour: str
    width: float  # of the line, in the unit of the cell
    dashes: tuple[float, ...] = ()  # strokes and gaps in line widths


LABELS = {
    "none": "none",
    "skip_connect": "skip",
    "nor_conv_1x1": "1×1 conv",
    "nor_conv_3x3": "3×3 conv",
    "avg_pool_3x3": "3×3 avg pool",
}
"""Operation -> label of its edges."""


LOOKS = {
    "none": Look("#CCCCCC", GREY, 0.022, (4, 4)),
    "skip_connect": Look(STYLES["bohb"].colour, INK, 0.045),
    "nor_conv_1x1": Look(SKY_BLUE, INK, 0.045),
    "nor_conv_3x3": Look(STYLES["regularized_ea"].colour, INK, 0.045),
    "avg_pool_3x3": Look(STYLES["reinforce"].colour, INK, 0.045),
}
"""Operation -> its look. The colours are those of the reports, which the colour-blind can tell apart."""


DEAD = Look(PALE, GREY, 0.03)
"""Look of operations that do not affect the output."""


DEAD_CAPTION = "grey: on no path from input to output"


# A cell has its own unit of length; text and lines grow with the axes.
NODES = {0: "input", 1: "1", 2: "2", 3: "output"}


SPACING, RADIUS = 2.8, 0.41  # of the nodes, which stand on the line y = 0


FONT, LABEL_HEIGHT = 0.19, 0.42


HEAD_LENGTH, HEAD_WIDTH = 0.18, 0.18  # of arrows


X_LIMITS, Y_LIMITS = (-0.55, 3 * SPACING + 0.55), (-1.75, 2.55)


ARCS = {(2, 0): (0.22, 0.7, 1.75), (3, 0): (-0.06, 0.1, 2.8), (3, 1): (0.22, 0.7, -1.75)}
"""Edge -> how far inwards of its two nodes it ends; how far inwards its control points are; their height.

The other edges are straight.
"""


def draw_cell(axes: Axes, arch: Arch) -> None:
    """Draw a cell of tss: four nodes from left to right, and an arrow with its operation for each of the six edges.

    `axes` must have its final size, to which the text is made: 11 points where it is 8 inches wide.

    Raises:
        InputError: `arch` is not in tss.
    """
    TopologySpace().check(arch)
    axes.set(xlim=X_LIMITS, ylim=Y_LIMITS, aspect="equal")
    axes.set_axis_off()
    live = live_edges(arch)
    looks = []
    for edge, choice, matters in zip(EDGES, arch, live, strict=True):
        operation = OPERATIONS[choice]
        looks.append(LOOKS[operation] if matters or operation == "none" else DEAD)
        _draw_edge(axes, edge, LABELS[operation], looks[-1])
    for node, name in NODES.items():
        used = any(matters for edge, matters in zip(EDGES, live, strict=True) if node in edge)
        _draw_node(axes, node, name, used)
    if DEAD in looks:
        size = 0.85 * FONT * _points_per_unit(axes)
        axes.text(X_LIMITS[0] + 0.15, Y_LIMITS[0] + 0.2, DEAD_CAPTION, fontsize=size, color=GREY)


def _draw_edge(axes: Axes, edge: tuple[int, int], label: str, look: Look) -> None:
    points, unit = _bezier(edge), _points_per_unit(axes)
    line: dict[str, Any] = {"edgecolor": look.colour, "linestyle": (0, look.dashes) if look.dashes else "-"}
    tip = points[3].copy()
    along = (tip - points[2]) / np.linalg.norm(tip - points[2])
    across = np.array([-along[1], along[0]])
    points[3] -= HEAD_LENGTH * along  # the shaft ends where the head begins
    corners = [tip, points[3] + HEAD_WIDTH / 2 * across, points[3] - HEAD_WIDTH / 2 * across]
    axes.add_patch(Polygon(corners, facecolor=look.colour, edgecolor="none", zorder=2))
    shaft = Outline(points, [Outline.MOVETO, Outline.CURVE4, Outline.CURVE4, Outline.CURVE4])
    axes.add_patch(PathPatch(shaft, facecolor="none", linewidth=look.width * unit, capstyle="butt", zorder=2, **line))

    x, y = np.array([1, 3, 3, 1]) @ points / 8  # half way along the curve
    width, height = 0.4 + 0.09 * len(label), LABEL_HEIGHT
    pill = FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height, boxstyle=f"round,pad=0,rounding_size={height / 2}",
        facecolor="white", linewidth=0.7 * look.width * unit, zorder=3, **line,
    )  # fmt: skip
    axes.add_patch(pill)
    axes.text(x, y, label, fontsize=FONT * unit, zorder=4, **{**CENTRED, "color": look.text_colour})


def _bezier(edge: tuple[int, int]) -> Floats:
    """The four points of the Bézier curve of an edge from rim to rim, shape (4, 2)."""
    target, source = edge
    start, stop = source * SPACING, target * SPACING
    end, control, height = ARCS.get(edge, (RADIUS, SPACING / 2, 0.0))
    rim = np.sign(height) * (RADIUS**2 - end**2) ** 0.5
    return np.array([(start + end, rim), (start + control, height), (stop - control, height), (stop - end, rim)])


def _draw_node(axes: Axes, node: int, name: str, used: bool) -> None:
    unit, x = _points_per_unit(axes), node * SPACING
    edge, text = (INK, INK) if used else (PALE, GREY)
    axes.add_patch(Circle((x, 0), RADIUS, facecolor="#F4F4F4", edgecolor=edge, linewidth=0.035 * unit, zorder=3))
    axes.text(x, 0, name, fontsize=FONT * unit, zorder=4, **{**CENTRED, "color": text})


def _points_per_unit(axes: Axes) -> float:
    """Points (1/72 inch) per unit of a cell, in axes of equal aspect that show X_LIMITS and Y_LIMITS."""
    extent = axes.get_window_extent()
    pixels = min(extent.width / (X_LIMITS[1] - X_LIMITS[0]), extent.height / (Y_LIMITS[1] - Y_LIMITS[0]))
    return float(pixels * 72 / axes.figure.dpi)


DRAWING = Drawing(CELL_INCHES, draw_cell)
