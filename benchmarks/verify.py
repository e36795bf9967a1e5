"""Checks of a table: its bytes, its architectures, and the range of every number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import UNITS, BenchmarkTable, checksum_path, sha256


@dataclass(frozen=True)
class Finding:
    """One result of `verify`; `ok` is False for a defect, True for a fact."""

    ok: bool
    text: str


RANGES: dict[str, tuple[float, float]] = {
    "accuracy": (0.0, 100.0),
    "top5_accuracy": (0.0, 100.0),
    "loss": (0.0, np.inf),
    "seconds": (0.0, np.inf),
    "params": (0.0, np.inf),
    "flops": (0.0, np.inf),
    "latency": (0.0, np.inf),
}


def verify(table: BenchmarkTable, space_size: int) -> Iterator[Finding]:
    """Check a table against its checksum, its space, and the range of every quantity; count what is missing."""
    checksum = checksum_path(table.path)
    if checksum.exists():
        expected = checksum.read_text().split()[0]
        same = sha256(table.path) == expected
        yield Finding(same, f"SHA-256 {'matches' if same else 'differs from'} {checksum.name}")
    else:
        yield Finding(True, f"no checksum file {checksum.name}: the bytes could not be checked")
    indices = table.architectures
    ordered = bool(np.all(np.diff(indices) > 0)) and indices[0] >= 0 and indices[-1] < space_size
    yield Finding(ordered, f"{len(table)} of {space_size} architectures, official indices ascending and in range")
    for name, column in table.columns.items():
        missing, outside = _count_defects(table.values(name), RANGES[column.quantity])
        low, high = RANGES[column.quantity]
        if outside:
            yield Finding(False, f"{name}: {outside} values outside {low:g}..{high:g} {UNITS[column.quantity]}")
        if missing:
            total = len(table) * int(np.prod(column.shape))
            yield Finding(True, f"{name}: {missing} of {total} values not measured")


def _count_defects(values: NDArray[np.float64], bounds: tuple[float, float], rows: int = 512) -> tuple[int, int]:
    """(missing, out of bounds) values, counted in blocks of rows so that memory stays small."""
    missing = outside = 0
    for start in range(0, len(values), rows):
        block = values[start : start + rows]
        missing += int(np.count_nonzero(np.isnan(block)))
        outside += int(np.count_nonzero((block < bounds[0]) | (block > bounds[1])))
    return missing, outside
