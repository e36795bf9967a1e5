"""Reading Parquet files without `pyarrow.dataset`, whose import takes longer than a short study."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


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
