"""Drawings of architectures, one file per space."""

from experiments.reports.drawings import sss, tss
from experiments.reports.drawings.drawing import Drawing

__all__ = ["DRAWINGS", "Drawing"]

DRAWINGS: dict[str, Drawing] = {
    "tss": tss.DRAWING,
    "sss": sss.DRAWING,
}
"""Space -> the drawing of its architectures. Reports show those of other spaces as strings."""
