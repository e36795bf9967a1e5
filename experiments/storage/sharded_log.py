"""A crash-safe log of table rows: a journal whose rows are sealed into Parquet shards from time to time.

    FOLDER/000000.parquet, ...   sealed rows, never changed again; each file appears completely or not at all
    FOLDER/journal.jsonl         the newest rows; each line is a JSON list of rows that were appended together

A killed process leaves at most an incomplete last line, which is ignored. A row is identified by its key; a repeated
key counts once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.errors import InputError
from experiments.storage.atomic import write_atomically
from experiments.storage.directories import exclusive_lock
from experiments.storage.parquet import write_parquet

ROWS_PER_SHARD = 5000

Row = Sequence[Any]
"""The values of one row of the log, in the order of the columns of its schema."""
Key = tuple[Any, ...]
"""The leading values of a row, which identify it."""


class ShardedLog:
    """A log with one writing process at a time and any number of reading processes.

    Args:
        schema: the columns of the rows; the first `key_columns` of them are the key.
    """

    def __init__(self, folder: Path, schema: pa.Schema, key_columns: int, rows_per_shard: int = ROWS_PER_SHARD) -> None:
        self.folder, self.schema = folder, schema
        self._key_columns, self._rows_per_shard = key_columns, rows_per_shard

    @property
    def _journal(self) -> Path:
        return self.folder / "journal.jsonl"

    def table(self) -> pa.Table:
        """All rows, each once, sorted by key."""
        sealed = [self._read(shard) for shard in self._shards()]
        table = pa.concat_tables([*sealed, self._as_table(self._unsealed())])
        keys = self.schema.names[: self._key_columns]
        return table.sort_by([(name, "ascending") for name in keys])

    def keys(self) -> set[Key]:
        """The keys of all rows."""
        names = self.schema.names[: self._key_columns]
        sealed = (self._read(shard, names) for shard in self._shards())
        found = {tuple(row.values()) for table in sealed for row in table.to_pylist()}
        return found | {tuple(row[: self._key_columns]) for row in self._unsealed()}

    @contextmanager
    def writer(self) -> Iterator[_Writer]:
        """Open the log for appending.

        Raises:
            InputError: another process is writing to the log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self.folder):
            writer = _Writer(self)
            try:
                yield writer
            finally:
                writer.close()

    def _shards(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.parquet"))

    def _read(self, shard: Path, columns: Sequence[str] | None = None) -> pa.Table:
        try:
            return pq.read_table(shard, schema=self.schema, columns=columns)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{shard} is damaged ({error}): delete it and run the command again") from error

    def _unsealed(self) -> list[Row]:
        """The rows of the journal that are not in a shard."""
        if not self._journal.exists():
            return []
        complete = self._journal.read_bytes().rpartition(b"\n")[0]
        written = chain.from_iterable(map(json.loads, complete.splitlines()))
        rows = {tuple(row[: self._key_columns]): row for row in written}
        last = self._shards()[-1:]  # the newest shard; a killed process may have left its rows in the journal, too
        for shard in last:
            for row in self._read(shard, self.schema.names[: self._key_columns]).to_pylist():
                rows.pop(tuple(row.values()), None)
        return list(rows.values())

    def _as_table(self, rows: Iterable[Row]) -> pa.Table:
        named = [dict(zip(self.schema.names, row, strict=True)) for row in rows]
        return pa.Table.from_pylist(named, schema=self.schema)


class _Writer:
    """Appends to a log that is locked for this process."""

    def __init__(self, log: ShardedLog) -> None:
        self._log = log
        self._rows = log._unsealed()
        write_atomically(log._journal, _line(self._rows).encode())
        self._stream = log._journal.open("a")

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows durably; if the process is killed meanwhile, the log holds all of them or none."""
        self._rows += rows
        self._stream.write(_line(rows))
        self._stream.flush()
        if len(self._rows) >= self._log._rows_per_shard:
            self.seal()

    def seal(self) -> None:
        """Move the rows of the journal into a shard."""
        if not self._rows:
            return
        shard = self._log.folder / f"{len(self._log._shards()):06d}.parquet"
        write_parquet(shard, self._log._as_table(self._rows))
        self._rows = []
        self._stream.close()
        self._stream = self._log._journal.open("w")

    def close(self) -> None:
        self._stream.close()


def _line(rows: Sequence[Row]) -> str:
    return json.dumps(list(rows)) + "\n" if rows else ""
