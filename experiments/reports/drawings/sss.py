"""Drawing of an architecture of sss: the channels of its layers, and the cell that all of them have."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle

from benchmarks.spaces import Arch, SizeSpace
from benchmarks.spaces.sss import CHANNELS, SIZE_CELL
from experiments.reports.drawings.drawing import Drawing
from experiments.reports.drawings.tss import CELL_INCHES, draw_cell
from experiments.reports.figures import CENTRED, GREY, SKY_BLUE, STYLES
from supernets.settings import NetworkScale

CHANNELS_INCHES = 2.6
"""Height of the drawn channels."""
LAYERS = ("cell", "reduction", "cell", "reduction", "cell")
LAYER_COLOURS = {"cell": SKY_BLUE, "reduction": STYLES["hyperband"].colour}


def draw_channels(axes: Axes, channels: Sequence[int]) -> None:
    """Draw the five layers of a network of sss as bars as high as their numbers of channels, from left to right."""
    axes.set(xlim=(-0.75, 4.75), ylim=(-62, 46))
    axes.set_axis_off()
    axes.text(-0.64, 40, "channels", fontsize=11, color=GREY)
    half = 0.3  # width of a bar
    for layer, (name, count) in enumerate(zip(LAYERS, channels, strict=True)):
        if layer:
            before = channels[layer - 1]
            x, y = (layer - 1 + half, layer - half), (before / 2, count / 2)
            corners = [(x[0], -y[0]), (x[0], y[0]), (x[1], y[1]), (x[1], -y[1])]
            axes.add_patch(Polygon(corners, facecolor="#EDEDED", edgecolor="none"))
        axes.add_patch(Rectangle((layer - half, -count / 2), 2 * half, count, facecolor=LAYER_COLOURS[name]))
        axes.text(layer, 0, str(count), fontsize=12, weight="bold", **CENTRED)
        axes.text(layer, -42, name, fontsize=11, **CENTRED)


def draw_size(axes: Axes, arch: Arch) -> None:
    """Draw the published channels of an architecture; InputError if it is not in sss."""
    SizeSpace().check(arch)
    draw_channels(axes, [CHANNELS[choice] for choice in arch])


def draw_size_cell(axes: Axes) -> None:
    """Draw the cell of every network of sss."""
    draw_cell(axes, SIZE_CELL)
    axes.text(0.02, 0.97, "every cell", fontsize=11, color=GREY, transform=axes.transAxes)


def scale_note(scale: NetworkScale) -> str:
    """The channels that the choices stood for, if they are not the published ones."""
    if scale.channels == CHANNELS:
        return ""
    stood_for = ", ".join(map(str, scale.channels))
    return f"Channels are those of the published networks; here the choices stood for {stood_for}."


TABLE_NOTE = (
    "Numbers of channels are those by which the space names its architectures. The networks of this table may have "
    "others in their place: see `network` of the table under [What was run](#what-was-run)."
)
DRAWING = Drawing(CHANNELS_INCHES, draw_size, CELL_INCHES, draw_size_cell, TABLE_NOTE, scale_note)
