"""The interface of converters: a source of rows that worker processes read block by block."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.ranges import OutOfRange
from benchmarks.table import Column, TableInfo, sha256

Values = dict[str, NDArray[np.float64]]
"""Column name -> its values, of shape (rows, seeds, epochs)."""


class SourceError(InputError):
    """A foreign benchmark file does not have the expected content; the message says what to do."""


class Source(Protocol):
    """A foreign benchmark file or directory. It is picklable, as worker processes read different blocks of it."""

    @property
    def info(self) -> TableInfo: ...

    @property
    def columns(self) -> tuple[Column, ...]: ...

    @property
    def architectures(self) -> NDArray[np.int32]:
        """Official indices of the architectures in the source, ascending: the rows of the table."""

    def blocks(self) -> list[range]:
        """The rows of the table, split into ranges; each range is read at once."""

    def read(self, rows: range) -> Iterator[tuple[int, Values]]:
        """Yield (first row, values) for consecutive rows of a block; SourceError or a pickle error on bad data."""


def read_checked(source: Source, rows: range) -> Iterator[tuple[int, Values]]:
    """Yield from `source.read(rows)`; raise SourceError for a number out of its range."""
    columns, architectures = source.columns, source.architectures
    for row, values in source.read(rows):
        for column in columns:
            wrong, block = OutOfRange(column), values[column.name]
            wrong.add(architectures[row : row + len(block)], block)
            if wrong.count:
                raise SourceError(
                    f"{source.info.provenance['source']}: {wrong}: correct the file, or download it again; "
                    "nas-bench verify lists every such column"
                )
        yield row, values


def files_digest(paths: Iterable[Path]) -> str:
    """One SHA-256 for many files: the digest of the lines 'name sha256', in the given order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name} {sha256(path)}\n".encode())
    return digest.hexdigest()
