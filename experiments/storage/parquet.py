"""Parquet files: written compressed and atomically, read without `pyarrow.dataset`, whose import is slow."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.storage.atomic import write_atomically


def read_parquet(path: Path, schema: pa.Schema) -> pa.Table:
    """The columns of `schema`, cast to its types; a column that the file lacks is null.

    Raises:
        pyarrow.ArrowInvalid: the file is damaged.
    """
    table = pq.ParquetFile(path).read()
    return pa.table([_column(table, field) for field in schema], schema=schema)


def _column(table: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if field.name not in table.column_names:
        return pa.nulls(len(table), field.type)
    column = table[field.name]
    return column if column.type == field.type else column.cast(field.type)


def parquet(table: pa.Table) -> pa.Buffer:
    """The bytes of `table` as a compressed Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write `table` as a compressed Parquet file, atomically."""
    write_atomically(path, parquet(table))
