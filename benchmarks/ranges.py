"""The range check of measured numbers, common to tables, official files and imports."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import Column


@dataclass
class OutOfRange:
    """Counts the out-of-range numbers of one column, block by block; NaN (not measured) is not counted.

    A metric has its own range; costs are not negative, and training seconds are above 0, since a search whose
    evaluations cost nothing would never end.
    """

    column: Column
    count: int = 0
    first: int = -1
    """Official index of the first architecture with an out-of-range number; -1 if there is none."""

    def add(self, architectures: NDArray[np.int32], values: NDArray[np.float64]) -> None:
        """Check `values`, of shape (architectures, seeds, epochs)."""
        low, high = self._bounds
        wrong = ((values <= low) if self._is_positive else (values < low)) | (values > high)
        if wrong.any():
            if not self.count:
                self.first = int(architectures[wrong.any(axis=(1, 2)).argmax()])
            self.count += int(np.count_nonzero(wrong))

    @property
    def _bounds(self) -> tuple[float, float]:
        return self.column.metric.bounds if self.column.metric else (0.0, math.inf)

    @property
    def _is_positive(self) -> bool:
        return (self.column.split, self.column.quantity) == ("train", "seconds")

    def __str__(self) -> str:
        low, high = self._bounds
        span = f"{'>' if self._is_positive else ''}{low:g}..{high:g} {self.column.unit}".rstrip()
        return f"{self.column.name}: {self.count} values outside {span}, first in architecture {self.first}"
