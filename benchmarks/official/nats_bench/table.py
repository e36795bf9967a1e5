"""Conversion of a BenchmarkTable to the layout of the official NATS-Bench files.

`archresults` returns one architecture in the layout of its official file; `from_table` serves the query API, and builds
each run when it is first queried. The table holds every number of the official files; their other content is the same
for all architectures and is given here (source: the released v1_0 files). Trainings of another record or seed have None
in its place. Further costs of the network become further attributes of a run.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import TableError
from benchmarks.official.nats_bench.results import DATASETS, ArchResults, set_names
from benchmarks.official.nats_bench.sources import Contents, Schedules
from benchmarks.official.nats_bench.trial import ResultsCount, epoch_keys
from benchmarks.spaces import space_named
from benchmarks.table import BenchmarkTable, Column

CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
RELEASED_SEEDS = (111, 777, 888, 999)
SIZE_GENOTYPE = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
"""The cell of all networks of the size space."""
KEPT = 64
"""Number of architectures kept in memory as official objects; one with all 200-epoch curves takes about 3 MB."""

Key = TypeVar("Key", int, str)


def archresults(table: BenchmarkTable, index: int) -> OrderedDict[str, dict[str, Any]]:
    """{schedule: archresult} of the architecture with the official index `index`, as in its official file.

    Raises:
        KeyError: the table has no such architecture.
        TableError: the table does not belong to a NATS-Bench space, or has no separate training seeds.
    """
    return TableReader(table).archresults(index)


def from_table(table: BenchmarkTable, space: str) -> Contents:
    """Contents for the query API: each architecture of the table counts as evaluated; runs are read when queried.

    Changes made to the objects of an architecture are lost after KEPT others were queried.

    Raises:
        TableError: the table does not belong to the space called `space`, or has no separate training seeds.
    """
    if table.info.space != space:
        raise TableError(f"{table.path} is a table of the space {table.info.space!r}, not of {space!r}")
    reader = TableReader(table)
    return Contents(list(reader.strings), _Architectures(reader), set(reader.rows), set(reader.trainings))


@dataclass(frozen=True)
class _Training:
    """The columns of one record and schedule."""

    record: str
    epochs: int
    seeds: tuple[int, ...]
    """Training seeds along the second axis of the arrays."""
    columns: Mapping[tuple[str, str], tuple[Column, NDArray[np.float64]]]
    """(split, quantity) -> column and its values (architectures, seeds, epochs)."""

    @classmethod
    def of(cls, table: BenchmarkTable, record: str, schedule: str) -> _Training:
        columns = [c for c in table.columns.values() if (c.record, c.schedule) == (record, schedule)]
        seeds = columns[0].seeds
        if any(column.seeds != seeds for column in columns) or not all(seed.isdigit() for seed in seeds):
            found = sorted({column.seeds for column in columns})
            raise TableError(
                f"{table.path} has the seeds {found} of {record}, schedule {schedule}; the NATS-Bench API needs "
                "separate training seeds, as in the official files"
            )
        epochs = max(max(column.epochs, default=1) for column in columns)
        values = {(column.split, column.quantity): (column, table.values(column.name)) for column in columns}
        return cls(record, epochs, tuple(int(seed) for seed in seeds), values)

    def measured(self, row: int) -> list[int]:
        """The ascending training seeds of the architecture in this row: those with an accuracy or a loss.

        Costs and times do not prove a training, as they may apply to all seeds.
        """
        curves = [self.columns[key][1] for key in self.columns if key[1] in ("accuracy", "top5_accuracy", "loss")]
        return sorted(
            seed
            for place, seed in enumerate(self.seeds)
            if any(not np.isnan(values[row, place]).all() for values in curves)
        )

    def run(self, row: int, seed: int, arch_config: Mapping[str, Any]) -> dict[str, Any]:
        """One run in the official layout."""
        place = self.seeds.index(seed)
        epochs = range(self.epochs)
        curves = {quantity: self._set_curves(row, place, quantity) for quantity in ("accuracy", "loss", "seconds")}
        latency = self._cost(row, place, "latency")
        return {
            "name": self.record,
            "train_acc1es": self._curve(row, place, "train", "accuracy", epochs),
            "train_acc5es": self._curve(row, place, "train", "top5_accuracy", epochs) or None,
            "train_losses": self._curve(row, place, "train", "loss", epochs),
            "train_times": OrderedDict(self._curve(row, place, "train", "seconds", epochs)) or None,
            "arch_config": dict(arch_config),
            "params": self._cost(row, place, "params"),
            "flop": float(self._cost(row, place, "flops")),
            "seed": f"{seed:04d}",
            "epochs": self.epochs,
            "latency": None if np.isnan(latency) else [latency],
            "eval_names": [
                name for name in set_names(self.record).values() if any(sets[name] for sets in curves.values())
            ],
            "eval_acc1es": _joined(curves["accuracy"]),
            "eval_times": _joined(curves["seconds"]),
            "eval_losses": _joined(curves["loss"]),
            "net_state_dict": None,
            **{
                quantity: values[row, place, 0].item()
                for (split, quantity), (_, values) in self.columns.items()
                if split == "network" and quantity not in ("params", "flops", "latency")
            },
        }

    def _cost(self, row: int, place: int, quantity: str) -> np.float64:
        """A cost of the network; NaN if not measured."""
        if ("network", quantity) not in self.columns:
            return np.float64(np.nan)
        number: np.float64 = self.columns["network", quantity][1][row, place, 0]
        return number

    def _set_curves(self, row: int, place: int, quantity: str) -> dict[str, dict[str, float]]:
        """{official set name: {'<set>@<epoch>': value}}."""
        return {
            name: self._curve(row, place, split, quantity, epoch_keys(name, self.epochs))
            for split, name in set_names(self.record).items()
        }

    def _curve(self, row: int, place: int, split: str, quantity: str, keys: Sequence[Key]) -> dict[Key, float]:
        """{key: value} of the epochs that were measured; `keys` has one key per epoch of the training."""
        if (split, quantity) not in self.columns:
            return {}
        column, values = self.columns[split, quantity]
        numbers = values[row, place]
        if not column.epochs:  # one value for all epochs
            return {} if np.isnan(numbers[0]) else dict.fromkeys(keys, numbers.item())
        if len(column.epochs) < self.epochs:
            keys = [keys[epoch - 1] for epoch in column.epochs]
        curve = dict(zip(keys, numbers.tolist(), strict=True))
        if np.isnan(numbers).any():
            return {key: value for key, value in curve.items() if value == value}  # NaN differs from itself
        return curve


def _joined(curves: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    joined: dict[str, float] = {}
    for curve in curves.values():
        joined.update(curve)
    return joined


class TableReader:
    """Reads the architectures of a table, by official index."""

    def __init__(self, table: BenchmarkTable) -> None:
        if table.info.space not in ("tss", "sss"):
            raise TableError(f"{table.path} is a table of {table.info.space!r}; the NATS-Bench API reads tss and sss")
        self.table = table
        self.rows: dict[int, int] = {index: row for row, index in enumerate(table.architectures.tolist())}
        held = {(column.schedule, column.record) for column in table.columns.values()}
        records = dict.fromkeys((*DATASETS, *(column.record for column in table.columns.values())))
        self.trainings = {
            schedule: {
                record: _Training.of(table, record, schedule) for record in records if (schedule, record) in held
            }
            for schedule in sorted({schedule for schedule, _ in held}, key=int)
        }

    @cached_property
    def strings(self) -> list[str]:
        """The official architecture strings, by index."""
        space = space_named(self.table.info.space)
        return [space.to_string(space.arch(index)) for index in range(len(space))]

    def dataset_seeds(self, index: int) -> Iterator[tuple[str, dict[str, list[int]]]]:
        """Yield (schedule, {record: seeds}) of all runs of an architecture; KeyError if it is not in the table."""
        if index not in self.rows:
            raise KeyError(f"{self.table.path} has no architecture {index}, only {len(self.rows)} others")
        for schedule, trainings in self.trainings.items():
            seeds = {record: training.measured(self.rows[index]) for record, training in trainings.items()}
            if any(seeds.values()):
                yield schedule, {record: measured for record, measured in seeds.items() if measured}

    def archresults(self, index: int) -> OrderedDict[str, dict[str, Any]]:
        """{schedule: archresult} of an architecture."""
        return OrderedDict(
            (
                schedule,
                {
                    "arch_index": index,
                    "arch_str": self.strings[index],
                    "all_results": {
                        (record, seed): self.run(index, schedule, record, seed)
                        for record, seeds in dataset_seed.items()
                        for seed in seeds
                    },
                    "dataset_seed": dataset_seed,
                    "clear_net_done": True,
                },
            )
            for schedule, dataset_seed in self.dataset_seeds(index)
        )

    def schedules(self, index: int) -> Schedules:
        """{schedule: results} of an architecture; its runs are read when they are queried."""
        schedules: Schedules = OrderedDict()
        for schedule, dataset_seed in self.dataset_seeds(index):
            results = ArchResults(index, self.strings[index])
            results.dataset_seed = dataset_seed
            results.all_results = _Runs(self, index, schedule, dataset_seed)
            results.clear_net_done = True
            schedules[schedule] = results
        return schedules

    def run(self, index: int, schedule: str, record: str, seed: int) -> dict[str, Any]:
        """One run in the official layout."""
        config = self._arch_config(self.strings[index], record, seed)
        return self.trainings[schedule][record].run(self.rows[index], seed, config)

    def _arch_config(self, string: str, record: str, seed: int) -> dict[str, Any]:
        released = record in CLASSES and seed in RELEASED_SEEDS
        kind: dict[str, Any] = {}
        scale: dict[str, Any] = {"channel": 16, "num_cells": 5}
        if self.table.info.space == "sss":
            kind, scale = {"name": "infer.shape.tiny", "genotype": SIZE_GENOTYPE}, {"channels": string}
        if not released:
            scale = dict.fromkeys(scale)
        return {**kind, **scale, "arch_str": string, "class_num": CLASSES.get(record)}


class _Runs(MutableMapping[tuple[str, int], ResultsCount]):
    """{(record, seed): run} of one architecture and schedule; each run is read when it is first queried."""

    def __init__(self, reader: TableReader, index: int, schedule: str, seeds: Mapping[str, list[int]]) -> None:
        self._reader, self._index, self._schedule = reader, index, schedule
        self._runs: dict[tuple[str, int], ResultsCount | None] = {
            (record, seed): None for record, measured in seeds.items() for seed in measured
        }

    def __getitem__(self, key: tuple[str, int]) -> ResultsCount:
        run = self._runs[key]
        if run is None:
            run = ResultsCount.create_from_state_dict(self._reader.run(self._index, self._schedule, *key))
            self._runs[key] = run
        return run

    def __setitem__(self, key: tuple[str, int], run: ResultsCount) -> None:
        self._runs[key] = run

    def __delitem__(self, key: tuple[str, int]) -> None:
        del self._runs[key]

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, key: object) -> bool:
        return key in self._runs

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy or pickle as a plain dict of all runs, without the table."""
        return dict, (dict(self),)


class _Architectures(MutableMapping[int, Schedules]):
    """{official index: {schedule: results}} of a table; keeps the last KEPT ones, and all that were set, in memory."""

    def __init__(self, reader: TableReader) -> None:
        self._reader = reader
        self._indexes = dict.fromkeys(reader.rows)
        self._set: dict[int, Schedules] = {}
        self._kept: OrderedDict[int, Schedules] = OrderedDict()

    def __getitem__(self, index: int) -> Schedules:
        if index not in self._indexes:
            raise KeyError(index)
        if index in self._set:
            return self._set[index]
        if index not in self._kept:
            self._kept[index] = self._reader.schedules(index)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        return self._kept[index]

    def __setitem__(self, index: int, schedules: Schedules) -> None:
        self._indexes[index] = None
        self._set[index] = schedules

    def __delitem__(self, index: int) -> None:
        del self._indexes[index]
        self._set.pop(index, None)

    def __iter__(self) -> Iterator[int]:
        return iter(self._indexes)

    def __len__(self) -> int:
        return len(self._indexes)

    def __contains__(self, index: object) -> bool:
        return index in self._indexes

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy or pickle by path: the copy opens the table again in its own process."""
        return _reopened, (self._reader.table.path, self._set)


def _reopened(path: Path, changed: Mapping[int, Schedules]) -> _Architectures:
    architectures = _Architectures(TableReader(BenchmarkTable.open(path)))
    architectures.update(changed)
    return architectures
