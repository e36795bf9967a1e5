"""Pictures of architectures: a cell as a graph, and for the size space also the channels of the five layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.figure import Figure

from benchmarks.errors import InputError, unknown_name
from benchmarks.spaces import Arch, space_named
from benchmarks.spaces.sss import CHANNELS
from experiments.reports.drawings.sss import CHANNELS_INCHES, draw_channels
from experiments.reports.drawings.tss import CELL_INCHES, draw_cell
from experiments.reports.figures import CENTRED, GREY, RC, check_paths, write_figure

TITLE_INCHES = 0.75
WIDTH_INCHES = 8.0
STRING_POINTS = 900  # of an official string, all characters together: as wide as the figure in a monospaced font


def write_drawings(space_name: str, arch: Arch, paths: Sequence[Path]) -> None:
    """Draw an architecture into files; errors as `draw_architecture` and `write_figure`."""
    check_paths(paths)
    with rc_context():
        rcdefaults()  # whatever the user's matplotlibrc says
        rcParams.update(RC)
        write_figure(draw_architecture(space_name, arch), paths)


def draw_architecture(space_name: str, arch: Arch) -> Figure:
    """A figure of one architecture of tss or sss under its official index and string.

    Raises:
        InputError: the space is another one, or `arch` is not in it.
    """
    if space_name not in ("tss", "sss"):
        raise InputError(unknown_name("space of drawings", space_name, ["tss", "sss"]))
    space = space_named(space_name)
    title, string = f"{space_name} {space.index(arch)}", space.to_string(arch)
    height = TITLE_INCHES + CELL_INCHES + (CHANNELS_INCHES if space_name == "sss" else 0)
    figure = Figure((WIDTH_INCHES, height))
    figure.text(0.5, 1 - 0.27 / height, title, fontsize=13, weight="bold", **CENTRED)
    size = min(11.0, STRING_POINTS / len(string))
    figure.text(0.5, 1 - 0.56 / height, string, fontsize=size, family="monospace", **CENTRED)
    cell_axes = figure.add_axes((0, 0, 1, CELL_INCHES / height))
    if space_name == "tss":
        draw_cell(cell_axes, arch)
        return figure
    from supernets.candidate_network import SIZE_CELL  # imports torch, which no other drawing needs

    channels = [CHANNELS[choice] for choice in arch]
    draw_channels(figure.add_axes((0, CELL_INCHES / height, 1, CHANNELS_INCHES / height)), channels)
    draw_cell(cell_axes, SIZE_CELL)
    cell_axes.text(0.02, 0.97, "every cell", fontsize=11, color=GREY, transform=cell_axes.transAxes)
    return figure
