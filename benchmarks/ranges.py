"""What a measured number can be: one check for tables, for official files, and for imports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import UNITS, Column

RANGES: dict[str, tuple[float, float]] = {
    "accuracy": (0.0, 100.0),
    "top5_accuracy": (0.0, 100.0),
    "loss": (0.0, np.inf),
    "seconds": (0.0, np.inf),
    "params": (0.0, np.inf),
    "flops": (0.0, np.inf),
    "latency": (0.0, np.inf),
    "trained_as": (0.0, np.inf),
}
"""Quantity -> (least, greatest) value. Training takes more than 0 seconds: at no cost a search would never end."""


@dataclass
class OutOfRange:
    """Counts the impossible numbers of one column, block by block; NaN, not measured, is none of them."""

    column: Column
    count: int = 0
    first: int = -1
    """Official index of the first architecture with one."""

    def add(self, architectures: NDArray[np.int32], values: NDArray[np.float64]) -> None:
        """Count in `values`, of shape (architectures, seeds, epochs)."""
        low, high = RANGES[self.column.quantity]
        wrong = ((values <= low) if self._is_cost else (values < low)) | (values > high)
        if wrong.any():
            if not self.count:
                self.first = int(architectures[wrong.any(axis=(1, 2)).argmax()])
            self.count += int(np.count_nonzero(wrong))

    @property
    def _is_cost(self) -> bool:
        return (self.column.split, self.column.quantity) == ("train", "seconds")

    def __str__(self) -> str:
        low, high = RANGES[self.column.quantity]
        span = f"{'>' if self._is_cost else ''}{low:g}..{high:g} {UNITS[self.column.quantity]}"
        return f"{self.column.name}: {self.count} values outside {span}, first in architecture {self.first}"
