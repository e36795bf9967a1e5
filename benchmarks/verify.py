"""Checks of tables and of official files: their bytes, their architectures, and the range of every number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.convert import Source, open_source
from benchmarks.errors import InputError
from benchmarks.spaces import space_named
from benchmarks.table import UNITS, BenchmarkTable, checksum_path, sha256


@dataclass(frozen=True)
class Finding:
    """One result of a check; `ok` is False for a defect, True for a fact."""

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


def verify_table(table: BenchmarkTable) -> Iterator[Finding]:
    """Check a table against its checksum, its space, and the range of every quantity; count what is missing."""
    checksum = checksum_path(table.path)
    if checksum.exists():
        same = checksum.read_bytes().split()[:1] == [sha256(table.path).encode()]
        yield Finding(same, f"SHA-256 {'matches' if same else 'differs from'} {checksum.name}")
    else:
        yield Finding(True, f"no checksum file {checksum.name}: the bytes could not be checked")
    yield _coverage(table.info.space, table.architectures)
    for name, column in table.columns.items():
        low, high = RANGES[column.quantity]
        missing, outside = _count_defects(table.values(name), low, high)
        if outside:
            yield Finding(False, f"{name}: {outside} values outside {low:g}..{high:g} {UNITS[column.quantity]}")
        if missing:
            total = len(table) * int(np.prod(column.shape))
            yield Finding(True, f"{name}: {missing} of {total} values not measured")


def verify_release(path: Path, scratch: Path) -> Iterator[Finding]:
    """Check an official file or directory as an import would: the md5 tail in its name, its order, every record.

    Args:
        scratch: directory for intermediate files.
    """
    try:
        source = open_source(path, scratch, lambda _done, _total: None)
        info = source.info
    except InputError as error:
        yield Finding(False, str(error))
        return
    yield Finding(True, f"{info.provenance['format']}, SHA-256 {info.provenance['sha256']}")
    yield _coverage(info.space, source.architectures)
    for block in source.blocks():
        yield from _unreadable(source, block)


def _unreadable(source: Source, rows: range) -> Iterator[Finding]:
    """One finding per row that cannot be read; reading goes on behind it."""
    start = rows.start
    while start < rows.stop:
        try:
            for row, _ in source.read(range(start, rows.stop)):
                start = row + 1
            return
        except InputError as error:
            yield Finding(False, str(error))
            start += 1


def _coverage(space: str, indices: NDArray[np.int32]) -> Finding:
    size = len(space_named(space))
    ordered = bool(np.all(np.diff(indices) > 0) and np.all((indices >= 0) & (indices < size)))
    missing = np.setdiff1d(np.arange(size), indices)
    first = (
        f"; missing: {', '.join(map(str, missing[:5]))}{', ...' if len(missing) > 5 else ''}" if len(missing) else ""
    )
    where = "" if ordered else "; official indices are not ascending or out of range"
    return Finding(ordered, f"{len(indices)} of {size} architectures of {space}{first}{where}")


def _count_defects(values: NDArray[np.float64], low: float, high: float, rows: int = 512) -> tuple[int, int]:
    """(missing, out of bounds) values, counted in blocks of rows so that memory stays small."""
    missing = outside = 0
    for start in range(0, len(values), rows):
        block = values[start : start + rows]
        missing += int(np.count_nonzero(np.isnan(block)))
        outside += int(np.count_nonzero((block < low) | (block > high)))
    return missing, outside
