"""Drawing of an architecture of sss: the channels of its layers."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle

from experiments.reports.figures import CENTRED, GREY, SKY_BLUE, STYLES

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
