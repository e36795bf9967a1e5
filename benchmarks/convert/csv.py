"""Conversion of a CSV with named columns to a table.

Columns: `arch` (the official string) and, optionally, `arch_index` (checked against it); then measurements named
`DATASET_SPLIT_QUANTITY_SCHEDULE`, such as `cifar10_valid_accuracy_90`. SPLIT is train, valid or test. QUANTITY is a
metric in its own unit, one of benchmarks.metrics.METRICS (accuracy in percent, loss in nats, mIoU, SSIM, ...), or
seconds (of the whole schedule for train, of one pass otherwise). There is one number per schedule, measured after its
last epoch. Empty cells are missing measurements. The numbers count as means over training seeds.

A data set with a validation column can be searched. Its metric is the first of METRICS for which it has such a column.
Without a test column of that metric, validation is reported; without seconds, budgets are counted in evaluations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from benchmarks.convert.base import SourceError, Values
from benchmarks.errors import unknown_name
from benchmarks.metrics import METRICS, Metric
from benchmarks.spaces import SPACES
from benchmarks.table import Column, TableInfo, Task, sha256

_NAME = re.compile(r"(?P<dataset>.+)_(?P<split>train|valid|test)_(?P<quantity>.+)_(?P<schedule>[1-9]\d*)$")
_SPELLINGS = {"imagenet16_120": "ImageNet16-120"}


@dataclass(frozen=True)
class NamedColumnsCsv:
    """A CSV with one number per architecture, data set, split, quantity and schedule."""

    path: Path

    @cached_property
    def _frame(self) -> pa.Table:
        try:
            frame = pa.csv.read_csv(self.path)
            names = frame.column_names
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise SourceError(f"{self.path}: not a readable CSV ({error})") from error
        if "arch" not in names:
            raise SourceError(f"{self.path}: needs a column 'arch' of architecture strings, has {names}")
        if repeated := {name for name in names if names.count(name) > 1}:
            raise SourceError(f"{self.path}: several columns are called {', '.join(sorted(repeated))}")
        if not frame.num_rows:
            raise SourceError(f"{self.path}: the file has no rows: it needs one per architecture")
        return frame

    @cached_property
    def _names(self) -> dict[str, Column]:
        """CSV column -> table column."""
        names: dict[str, Column] = {}
        for name in self._frame.column_names:
            if name in ("arch", "arch_index"):
                continue
            match = _NAME.match(name)
            if not match:
                raise SourceError(
                    f"{self.path}: column {name!r} is not named DATASET_SPLIT_QUANTITY_SCHEDULE, such as "
                    "'cifar10_valid_accuracy_12'; rename or remove it"
                )
            if match["quantity"] not in (*METRICS, "seconds"):
                unknown = unknown_name("quantity", match["quantity"], [*METRICS, "seconds"])
                raise SourceError(f"{self.path}: column {name!r}: {unknown}; rename or remove it")
            kind = self._frame.schema.field(name).type
            if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
                raise SourceError(f"{self.path}: column {name!r} has cells that are not numbers (read as {kind})")
            epochs = () if match["quantity"] == "seconds" else (int(match["schedule"]),)
            dataset = _SPELLINGS.get(match["dataset"], match["dataset"])
            column = Column(dataset, match["schedule"], match["split"], match["quantity"], ("mean",), epochs)
            if column in names.values():
                raise SourceError(f"{self.path}: column {name!r} means the same as another one; remove one of them")
            names[name] = column
        return names

    @cached_property
    def _space_and_indices(self) -> tuple[str, NDArray[np.int64]]:
        strings = self._frame["arch"].to_pylist()
        for name, space in SPACES.items():
            try:
                space.from_string(str(strings[0]))
            except ValueError:
                continue
            return name, self._indices(name, strings)
        raise SourceError(f"{self.path}: no space has the architecture {strings[0]!r}; spaces: {', '.join(SPACES)}")

    def _indices(self, name: str, strings: list[str]) -> NDArray[np.int64]:
        space, indices = SPACES[name], []
        for row, string in enumerate(strings, start=2):
            try:
                indices.append(space.index(space.from_string(str(string))))
            except ValueError as error:
                raise SourceError(f"{self.path}, line {row}: {error}") from error
        found = np.array(indices)
        if len(np.unique(found)) != len(found):
            raise SourceError(f"{self.path}: an architecture occurs twice")
        if "arch_index" in self._frame.column_names:
            wrong = np.flatnonzero(self._frame["arch_index"].to_numpy() != found)
            if len(wrong):
                row = int(wrong[0])
                raise SourceError(
                    f"{self.path}, line {row + 2}: {strings[row]} has the official index {found[row]}, "
                    f"the file says {self._frame['arch_index'][row]}"
                )
        return found

    @property
    def info(self) -> TableInfo:
        datasets = dict.fromkeys(column.record for column in self.columns)
        tasks = {dataset: task for dataset in datasets if (task := self._task(dataset))}
        if not tasks:
            raise SourceError(
                f"{self.path}: no data set can be searched, since none has a validation column, such as "
                "'cifar10_valid_accuracy_12'"
            )
        provenance = {"source": self.path.name, "sha256": sha256(self.path), "format": "CSV with named columns"}
        return TableInfo(self.path.stem, self._space_and_indices[0], tasks, provenance)

    def _task(self, dataset: str) -> Task | None:
        """How the data set is searched and reported; None without a validation column."""
        for metric in METRICS.values():
            search, report = (self._schedules(dataset, split, metric) for split in ("valid", "test"))
            if search:
                tested = dataset if report else None
                return Task(dataset, tested, min(search, key=int), max(report or search, key=int), metric)
        return None

    def _schedules(self, dataset: str, split: str, metric: Metric) -> list[str]:
        wanted = (dataset, split, metric)
        return [column.schedule for column in self.columns if (column.record, column.split, column.metric) == wanted]

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(self._names.values())

    @property
    def architectures(self) -> NDArray[np.int32]:
        return np.sort(self._space_and_indices[1]).astype(np.int32)

    def blocks(self) -> list[range]:
        return [range(self._frame.num_rows)]

    def read(self, rows: range) -> Iterator[tuple[int, Values]]:
        order = np.argsort(self._space_and_indices[1])[rows.start : rows.stop]
        values: Values = {}
        for name, column in self._names.items():
            numbers = self._frame[name].cast(pa.float64(), safe=False).to_numpy()[order].reshape(-1, 1, 1)
            whole_schedule = column.quantity == "seconds" and column.split == "train"
            values[column.name] = numbers / int(column.schedule) if whole_schedule else numbers
        yield rows.start, values
