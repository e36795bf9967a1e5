"""Checks of tables and of official files: their bytes, their architectures, and the range of every number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.convert import Source, open_source
from benchmarks.errors import InputError
from benchmarks.ranges import OutOfRange
from benchmarks.spaces import space_named
from benchmarks.table import BenchmarkTable, checksum_path, sha256

BLOCK = 512  # rows of a table checked at once, to limit memory


@dataclass(frozen=True)
class Finding:
    """One result of a check; `ok` is False for a defect and True for information."""

    ok: bool
    text: str


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
        wrong, missing = OutOfRange(column), 0
        for start in range(0, len(table), BLOCK):
            block = table.values(name)[start : start + BLOCK]
            wrong.add(table.architectures[start : start + BLOCK], block)
            missing += int(np.count_nonzero(np.isnan(block)))
        if wrong.count:
            yield Finding(False, str(wrong))
        if missing:
            total = len(table) * int(np.prod(column.shape))
            yield Finding(True, f"{name}: {missing} of {total} values not measured")


def verify_release(path: Path, scratch: Path) -> Iterator[Finding]:
    """Check an official file or directory as an import would: its MD5 suffix, its order, every record and number.

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
    ranges = [OutOfRange(column) for column in source.columns]
    for block in source.blocks():
        yield from _read(source, block, ranges)
    yield from (Finding(False, str(wrong)) for wrong in ranges if wrong.count)


def _read(source: Source, rows: range, ranges: list[OutOfRange]) -> Iterator[Finding]:
    """Check the ranges of a block; yield one finding per unreadable row, and continue after it."""
    start = rows.start
    while start < rows.stop:
        try:
            for row, values in source.read(range(start, rows.stop)):
                for wrong in ranges:
                    block = values[wrong.column.name]
                    wrong.add(source.architectures[row : row + len(block)], block)
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
