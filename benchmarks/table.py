"""BenchmarkTable: the measurements of a benchmark in one schema, memory-mapped.

A table is one Arrow IPC file with one record batch, one row per architecture. Its first column, `architecture`, holds
the official indices, ascending; every other column is one measured quantity, a float64 array of shape (architectures,
seeds, epochs) stored as nested fixed-size lists, with NaN for what was not measured. Arrow's field metadata carries
each column's meaning; the schema metadata carries the benchmark's name, tasks and provenance.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.errors import TableError
from benchmarks.metrics import ACCURACY, METRICS, Metric

FORMAT = 2
"""The newest table format that this version reads. Format 2 added tasks without a test and metrics of any kind."""
METADATA_KEY = b"nas_algos"
COSTS = {
    "seconds": "seconds",  # for the split train per training epoch, for other splits per pass over the split
    "params": "million parameters",
    "flops": "million multiply-accumulates",
    "latency": "seconds per batch",
    "trained_as": "official index",  # index of the isomorphic architecture whose training this row repeats
}
"""Quantity other than a metric -> its unit. No such quantity is negative."""


Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Column:
    """The meaning of one measured quantity; its array has shape (architectures, seeds, epochs)."""

    record: str
    """Official name of the training set: 'cifar10-valid' is half of CIFAR-10's training images, 'cifar10' all."""
    schedule: str
    """Training schedule: '12' is a complete training of 12 epochs, not the first 12 epochs of '200'."""
    split: str
    """Images of the measurement: 'train', 'valid', 'test' or 'valtest' (both); 'network' for costs of the network."""
    quantity: str
    """A metric's name, or a key of COSTS."""
    seeds: tuple[str, ...]
    """Training seeds along the second axis; ('mean',) if only their mean was published."""
    epochs: tuple[int, ...] = ()
    """Epochs trained (1 = after the first) along the third axis; empty if one value applies to every epoch."""
    own_metric: Metric | None = None
    """The definition of a quantity that is neither in METRICS nor in COSTS."""

    @property
    def name(self) -> str:
        return f"{self.record}/{self.schedule}/{self.split}/{self.quantity}"

    @property
    def metric(self) -> Metric | None:
        """The metric that this column measures; None for a cost."""
        return self.own_metric or METRICS.get(self.quantity)

    @property
    def unit(self) -> str:
        """The unit of the values in words; empty for a plain number."""
        if self.metric is None:
            return COSTS[self.quantity]
        return "percent" if self.metric.unit == "%" else self.metric.unit

    @property
    def shape(self) -> tuple[int, int]:
        """(seeds, epochs) as stored."""
        return len(self.seeds), max(1, len(self.epochs))

    def arrow_field(self) -> pa.Field:
        seeds, epochs = self.shape
        kind = pa.list_(pa.list_(pa.field("epoch", pa.float64(), nullable=False), epochs), seeds)
        facts = asdict(self)
        if self.own_metric is None:
            del facts["own_metric"]
        metadata = json.dumps({**facts, "unit": self.unit})
        return pa.field(self.name, kind, nullable=False, metadata={METADATA_KEY: metadata})

    @classmethod
    def from_arrow(cls, arrow_field: pa.Field) -> Column:
        facts = json.loads(arrow_field.metadata[METADATA_KEY])
        del facts["unit"]
        facts |= {"seeds": tuple(facts["seeds"]), "epochs": tuple(facts["epochs"])}
        if own := facts.pop("own_metric", None):
            facts["own_metric"] = Metric.from_facts(own)
        column = cls(**facts)
        _ = column.unit  # LookupError for an unknown quantity
        return column


@dataclass(frozen=True)
class Task:
    """A data set as the user names it: which column scores architectures in a search, and which one is reported."""

    search_record: str
    """Training set whose 'valid' split scores an architecture during the search."""
    report_record: str | None
    """Training set whose 'test' split is reported after the search; None if no test was measured, in which case
    validation is reported."""
    search_schedule: str
    report_schedule: str
    """Training schedule whose last epoch is reported."""
    metric: Metric = ACCURACY

    @property
    def search_column(self) -> str:
        """The column that scores architectures in a search, if the table has it."""
        return f"{self.search_record}/{self.search_schedule}/valid/{self.metric.name}"

    @property
    def report_column(self) -> str:
        """The column that is reported and that ranks architectures: test, or validation if there is no test."""
        record, split = (self.report_record, "test") if self.report_record else (self.search_record, "valid")
        return f"{record}/{self.report_schedule}/{split}/{self.metric.name}"

    def to_facts(self) -> dict[str, Any]:
        return {**asdict(self), "metric": self.metric.to_facts()}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Task:
        return cls(**{**facts, "metric": Metric.from_facts(facts.get("metric", ACCURACY.name))})


@dataclass(frozen=True)
class TableInfo:
    """The schema metadata of a table: name, space, tasks and provenance."""

    name: str
    space: str
    tasks: Mapping[str, Task]
    provenance: Mapping[str, str]
    """Source file, its SHA-256, its format, the importing version; optional free text such as citation and licence."""

    @property
    def format(self) -> int:
        """The oldest format that can hold this table, so that older versions read tables without newer features."""
        facts = [task.to_facts() for task in self.tasks.values()]
        plain = all(task["report_record"] is not None and isinstance(task["metric"], str) for task in facts)
        return 1 if plain else FORMAT

    def to_json(self) -> str:
        tasks = {name: task.to_facts() for name, task in self.tasks.items()}
        return json.dumps({**vars(self), "tasks": tasks, "provenance": dict(self.provenance), "format": self.format})

    @classmethod
    def from_json(cls, text: str | bytes) -> TableInfo:
        facts = json.loads(text)
        written = facts.pop("format")
        if written > FORMAT:
            raise TableError(f"table format {written}, this version reads up to {FORMAT}: upgrade nas-algos")
        return cls(**{**facts, "tasks": {name: Task.from_facts(task) for name, task in facts["tasks"].items()}})


@dataclass(frozen=True)
class BenchmarkTable:
    """An open table. Arrays are read-only views of the file: only the pages that are read occupy memory."""

    path: Path
    info: TableInfo
    columns: Mapping[str, Column]
    _batch: pa.RecordBatch = field(repr=False)

    @classmethod
    def open(cls, path: Path | str) -> BenchmarkTable:
        """Memory-map the table at `path`.

        Raises:
            FileNotFoundError: there is no such file.
            TableError: it is not a benchmark table, is damaged, or was written by a newer version.
        """
        path = Path(path)
        try:
            batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
            info = TableInfo.from_json(batch.schema.metadata[METADATA_KEY])
            columns = [Column.from_arrow(batch.schema.field(i)) for i in range(1, batch.num_columns)]
            _check_layout(batch, columns)
        except FileNotFoundError:
            raise
        except TableError as error:
            raise TableError(f"{path}: {error}") from None
        except (pa.ArrowException, AttributeError, LookupError, TypeError, ValueError, OSError) as error:
            raise TableError(
                f"{path} is not a benchmark table ({type(error).__name__}: {error}). "
                "Import the benchmark again with: nas-bench import PATH"
            ) from error
        return cls(path, info, {column.name: column for column in columns}, batch)

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    @cached_property
    def architectures(self) -> NDArray[np.int32]:
        """The ascending official indices, (architectures,)."""
        return _view(self._batch.column(0), np.int32)

    def values(self, name: str) -> NDArray[np.float64]:
        """The values (architectures, seeds, epochs) of the column `name`, in its unit; TableError if there is none."""
        if name not in self.columns:
            raise TableError(f"{self.info.name} has no column {name!r}; it has {', '.join(self.columns)}")
        flat = _view(self._batch.column(name).values.values, np.float64)
        return flat.reshape(len(self), *self.columns[name].shape)

    def task(self, name: str) -> Task:
        """The task called `name`; TableError with the known names if there is none."""
        if name not in self.info.tasks:
            raise TableError(f"{self.info.name} has no data set {name!r}; it has {', '.join(self.info.tasks)}")
        return self.info.tasks[name]


def _view(array: pa.Array, kind: type[Number]) -> NDArray[Number]:
    """A view of the numbers of an Arrow array. Unlike `to_numpy`, this does not import pandas."""
    size = np.dtype(kind).itemsize
    return np.frombuffer(array.buffers()[1], kind, len(array), array.offset * size)


def _check_layout(batch: pa.RecordBatch, columns: Sequence[Column]) -> None:
    """Raise ValueError unless the data has the declared names and types, no nulls, and lies inside the file."""
    batch.validate()
    arrays = [batch.column(0)]
    for position, column in enumerate(columns, start=1):
        kind = batch.schema.field(position).type
        shape = (kind.list_size, kind.value_type.list_size)
        if (batch.schema.names[position], shape, kind.value_type.value_type) != (column.name, column.shape, "double"):
            raise ValueError(f"the data of {column.name} does not match its metadata")
        arrays.append(batch.column(position).values.values)
    if arrays[0].type != "int32" or any(array.null_count for array in arrays):
        raise ValueError("the data has nulls or another type than the declared numbers")


def preallocate(path: Path, info: TableInfo, columns: Sequence[Column], architectures: NDArray[np.int32]) -> None:
    """Write a complete table file whose measurements are all zero, to be filled in place by RowWriter.

    This takes disk space but no memory: every column is written from one untouched buffer of zeros.
    """
    rows = len(architectures)
    zeros = pa.py_buffer(np.zeros(rows * max((int(np.prod(column.shape)) for column in columns), default=0)))
    arrays = [pa.array(architectures, pa.int32())]
    for column in columns:
        seeds, epochs = column.shape
        values = pa.Array.from_buffers(pa.float64(), rows * seeds * epochs, [None, zeros])
        kind = column.arrow_field().type
        inner = pa.FixedSizeListArray.from_arrays(values, type=kind.value_type)
        arrays.append(pa.FixedSizeListArray.from_arrays(inner, type=kind))
    fields = [pa.field("architecture", pa.int32(), nullable=False), *(column.arrow_field() for column in columns)]
    schema = pa.schema(fields, metadata={METADATA_KEY: info.to_json()})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=schema))


def write_compressed(table: BenchmarkTable, path: Path) -> None:
    """Write the table to a much smaller file, which is not memory-mapped but read into memory when it is opened."""
    options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=19))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table._batch.schema, options=options) as writer:
        writer.write_batch(table._batch)


class RowWriter:
    """Fills rows of a preallocated table in place. Any number of processes may fill different rows at once."""

    def __init__(self, path: Path) -> None:
        mapped = pa.memory_map(str(path))
        start = mapped.read_buffer(mapped.size()).address
        batch = pa.ipc.open_file(mapped).get_batch(0)
        fields = [batch.schema.field(i) for i in range(1, batch.num_columns)]
        self._columns = {item.name: Column.from_arrow(item) for item in fields}
        self._offsets = {name: batch.column(name).values.values.buffers()[1].address - start for name in self._columns}
        self._file = os.open(path, os.O_RDWR)

    def write(self, row: int, values: Mapping[str, NDArray[np.float64]]) -> None:
        """Write all columns of the rows `row`, `row + 1`, ...; each array has shape (rows, seeds, epochs)."""
        assert values.keys() == self._columns.keys(), "every column must be written, with NaN for missing measurements"
        for name, array in values.items():
            seeds, epochs = self._columns[name].shape
            assert array.shape[1:] == (seeds, epochs), f"{name}: expected (rows, {seeds}, {epochs}), got {array.shape}"
            payload = np.ascontiguousarray(array, np.float64).tobytes()
            written = os.pwrite(self._file, payload, self._offsets[name] + row * seeds * epochs * 8)
            if written != len(payload):
                raise OSError(f"{name}: wrote {written} of {len(payload)} bytes; is the disk full?")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._file)


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal; the file is read in chunks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksum_path(path: Path) -> Path:
    """The path of the checksum file of the table `path`, in the format of `sha256sum -c`."""
    return path.with_name(path.name + ".sha256")


def publish(partial: Path, path: Path) -> None:
    """Atomically rename a finished table to its final name, and write its checksum file."""
    with partial.open("rb+") as stream:
        os.fsync(stream.fileno())
    checksum = checksum_path(path)
    temporary = checksum.with_name(checksum.name + ".partial")
    temporary.write_text(f"{sha256(partial)}  {path.name}\n")
    os.replace(temporary, checksum)
    os.replace(partial, path)
