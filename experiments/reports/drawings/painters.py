"""Figures of single architectures, under their index and string."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.figure import Figure

from benchmarks.errors import InputError, unknown_name
from benchmarks.spaces import Arch, space_named
from experiments.reports.drawings import DRAWINGS
from experiments.reports.figures import CENTRED, RC, check_paths, write_figure

TITLE_INCHES = 0.75
WIDTH_INCHES = 8.0
STRING_POINTS = 900  # of an official string, all characters together: as wide as the figure in a monospaced font


def write_drawings(space_name: str, arch: Arch, paths: Sequence[Path]) -> None:
    """Draw an architecture into files; raises what `draw_architecture` and `write_figure` raise."""
    check_paths(paths)
    with rc_context():
        rcdefaults()  # whatever the user's matplotlibrc says
        rcParams.update(RC)
        write_figure(draw_architecture(space_name, arch), paths)


def draw_architecture(space_name: str, arch: Arch, *, common: bool = True) -> Figure:
    """A figure of one architecture under its official index and string.

    Args:
        common: whether to draw what all architectures of the space have in common, too.

    Raises:
        InputError: the space has no drawing, or `arch` is not in it.
    """
    if space_name not in DRAWINGS:
        raise InputError(unknown_name("space with a drawing", space_name, list(DRAWINGS)))
    space, drawing = space_named(space_name), DRAWINGS[space_name]
    title, string = f"{space_name} {space.index(arch)}", space.to_string(arch)
    below = drawing.common_inches if common else 0.0
    height = TITLE_INCHES + drawing.inches + below
    figure = Figure((WIDTH_INCHES, height))
    figure.text(0.5, 1 - 0.27 / height, title, fontsize=13, weight="bold", **CENTRED)
    size = min(11.0, STRING_POINTS / len(string))
    figure.text(0.5, 1 - 0.56 / height, string, fontsize=size, family="monospace", **CENTRED)
    if below and drawing.draw_common:
        drawing.draw_common(figure.add_axes((0, 0, 1, below / height)))
    drawing.draw(figure.add_axes((0, below / height, 1, drawing.inches / height)), arch)
    return figure
