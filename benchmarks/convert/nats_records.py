"""Conversion of the official NATS-Bench record of one architecture to table columns.

The layout is that of `nats_bench` 1.8 and the released v1_0 files. It fixes the seeds, splits and epochs; anything
beyond it in a file is an error, so that nothing is lost silently. In the released files times are constant over epochs
(they were calibrated), so a table stores one value per training, and a file with other times is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.convert.base import SourceError, Values
from benchmarks.nats_layout import SET_NAMES, nats_columns, seeds_of_trainings
from benchmarks.spaces import Space
from benchmarks.table import Column

ArchResults = Mapping[str, Mapping[str, Any]]
"""The official record of one architecture: schedule -> archresult dict."""


def _constant(times: Mapping[Any, float], what: str) -> float:
    """The common value of per-epoch times; NaN if there are none."""
    if not times:
        return np.nan
    values = np.fromiter(times.values(), np.float64)
    if not np.allclose(values, values[0], rtol=1e-9, atol=0):
        raise SourceError(f"{what}: times differ between epochs; in the released files they are constant")
    return float(values[0])


def _curve(values: Mapping[Any, float] | None, keys: list[Any]) -> tuple[list[float], int]:
    """(the values at `keys`, NaN for a missing one, and the number of values found)."""
    if values is None:
        return [np.nan] * len(keys), 0
    return [values.get(key, np.nan) for key in keys], sum(key in values for key in keys)


class RecordReader:
    """Turns archresult dicts into one row of values."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._columns = nats_columns(space.name)
        self._seeds = seeds_of_trainings(space.name)
        self._by_training: dict[tuple[str, str], list[Column]] = {}
        for column in self._columns:
            self._by_training.setdefault((column.record, column.schedule), []).append(column)

    def row(self, results: ArchResults, index: int, source: str) -> Values:
        """Column name -> (1, seeds, epochs) for the architecture `index`; `source` names the file in errors.

        Raises:
            SourceError: the record belongs to another architecture, has another structure, or exceeds the layout.
        """
        try:
            return self._row(results, index, source)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(
                f"{source}: not an official NATS-Bench record ({type(error).__name__}: {error}). "
                "Take the file from the official NATS-Bench release."
            ) from error

    def _row(self, results: ArchResults, index: int, source: str) -> Values:
        if not any(result["all_results"] for result in results.values()):
            raise SourceError(f"{source}: holds no trainings")
        row = {column.name: np.full((1, *column.shape), np.nan) for column in self._columns}
        for schedule, result in results.items():
            expected = self._space.to_string(self._space.arch(index))
            if result["arch_index"] != index or result["arch_str"] != expected:
                raise SourceError(
                    f"{source}: architecture {index} of {self._space.name} is {expected}, the file says "
                    f"{result['arch_index']} is {result['arch_str']}: the file belongs to another space or benchmark"
                )
            for (record, seed), trial in result["all_results"].items():
                where = f"{source}: architecture {index}, {record}, schedule {schedule}, seed {seed}"
                if str(seed) not in self._seeds.get((record, schedule), ()):
                    raise SourceError(f"{where}: no such training in the released {self._space.name} files")
                self._fill(row, trial, record, schedule, str(seed), where)
        return row

    def _fill(self, row: Values, trial: Mapping[str, Any], record: str, schedule: str, seed: str, where: str) -> None:
        position = self._seeds[record, schedule].index(seed)
        used = 0
        for column in self._by_training[record, schedule]:
            values, count = self._read(trial, column, where)
            row[column.name][0, position] = values
            used += count
        curves = ("train_acc1es", "train_acc5es", "train_losses", "eval_acc1es", "eval_losses", "eval_times")
        held = sum(len(trial[key] or ()) for key in curves)
        if used != held:
            raise SourceError(
                f"{where}: {held - used} of {held} values are at epochs or splits not in the released files"
            )

    def _read(self, trial: Mapping[str, Any], column: Column, where: str) -> tuple[list[float], int]:
        """(values of one column for one training, number of entries of the official curves that were read)."""
        if column.split == "network":
            return [self._network(trial, column.quantity, where)], 0
        if column.split == "train":
            if column.quantity == "seconds":
                return [_constant(trial["train_times"] or {}, where)], 0
            key = {"accuracy": "train_acc1es", "loss": "train_losses", "top5_accuracy": "train_acc5es"}[column.quantity]
            return _curve(trial[key], [epoch - 1 for epoch in column.epochs])
        name = SET_NAMES[column.record][column.split]
        if column.quantity == "seconds":
            times = {k: v for k, v in (trial["eval_times"] or {}).items() if k.startswith(f"{name}@")}
            return [_constant(times, where)], len(times)
        key = {"accuracy": "eval_acc1es", "loss": "eval_losses"}[column.quantity]
        return _curve(trial[key], [f"{name}@{epoch - 1}" for epoch in column.epochs])

    @staticmethod
    def _network(trial: Mapping[str, Any], quantity: str, where: str) -> float:
        if quantity == "latency":
            latencies = trial["latency"] or [np.nan]
            if len(latencies) != 1:
                raise SourceError(f"{where}: {len(latencies)} latencies; in the released files there is one")
            return float(latencies[0])
        return float(trial["params" if quantity == "params" else "flop"])
