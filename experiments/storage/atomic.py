"""Files that appear whole or not at all, even if the process that writes them is killed."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def write_atomically(path: Path, content: bytes | pa.Buffer) -> None:
    """Create or replace `path`; readers see the previous file until the last byte is on the disk."""
    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def parquet(table: pa.Table) -> pa.Buffer:
    """The bytes of `table` as a compressed Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write `table` as a compressed Parquet file, atomically."""
    write_atomically(path, parquet(table))
