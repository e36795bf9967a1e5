"""The interface by which a space defines the drawing of its architectures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.axes import Axes

from benchmarks.spaces import Arch
from supernets.settings import NetworkScale


def _no_note(scale: NetworkScale) -> str:
    _ = scale
    return ""


@dataclass(frozen=True)
class Drawing:
    """How the architectures of a space are drawn, in axes as wide as a page."""

    inches: float
    """Height of a drawn architecture."""
    draw: Callable[[Axes, Arch], None]
    """Draws what distinguishes an architecture, in axes of their final size; InputError if it is not in the space."""
    common_inches: float = 0.0
    """Height of what all architectures have in common, drawn below; 0 if nothing is."""
    draw_common: Callable[[Axes], None] | None = None
    table_note: str = ""
    """Sentences for drawings of answers from a table that names its own networks, such as sizes that differ."""
    scale_note: Callable[[NetworkScale], str] = _no_note
    """Sentences for drawings of networks of a scale."""
