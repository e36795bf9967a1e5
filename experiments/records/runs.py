"""Recorded trials as arrays, split into runs.

Runs differ in length, so the trials of all runs are concatenated in flat arrays, and `first`, of shape (runs + 1,),
holds the boundaries: run r owns the positions first[r], ..., first[r + 1] - 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from experiments.storage.columns import codes, numbers
from experiments.storage.directories import RecordError

Floats = NDArray[np.float64]
Group = tuple[str, str]
"""(algorithm, data set)."""


@dataclass(frozen=True)
class Runs:
    """The trials of one algorithm on one data set, or only their `incumbent_changes`.

    Trials are sorted by run, and within a run in the order in which the searcher was told their outcomes.

    `number` and `first` have shapes (runs,) and (runs + 1,); the other arrays have
    shape (trials,) and, except `order`, are columns of TRIALS_SCHEMA.
    """

    number: NDArray[np.int32]
    first: NDArray[np.int64]
    order: NDArray[np.int32]
    """1, 2, ... within each run: the number of trials of the run up to this one."""
    elapsed: Floats
    incumbent: NDArray[np.bool_]
    architecture: NDArray[np.int32]
    score: Floats
    """Validation score that the searcher was told; NaN for a failed evaluation."""
    validation: Floats
    """Validation score at the reporting fidelity; NaN if the benchmark has none."""
    test: Floats
    """Test score at the reporting fidelity; NaN if the benchmark has none."""
    tested: bool = True
    """Whether `final` is the test score."""

    def __len__(self) -> int:
        return len(self.number)

    @property
    def final(self) -> Floats:
        """The score by which incumbents are compared: the test score, or `validation` on a benchmark without a test."""
        return self.test if self.tested else self.validation

    @property
    def evaluations(self) -> NDArray[np.int32]:
        """Number of trials of each run, shape (runs,)."""
        return self.order[self.first[1:] - 1]


_COLUMNS = {
    "elapsed": "elapsed",
    "incumbent": "incumbent",
    "architecture": "architecture",
    "score": "validation",
    "validation": "report_validation",
    "test": "report_test",
}  # field of Runs -> column of TRIALS_SCHEMA


def runs_by_group(trials: pa.Table) -> dict[Group, Runs]:
    """Group trials (TRIALS_SCHEMA) by algorithm and data set; groups without trials are absent.

    Runs may come in any order and in pieces; the order of the trials within a run is kept.

    Raises:
        RecordError: the elapsed seconds of a run decrease, for example because it is recorded twice.
    """
    if not trials.num_rows:
        return {}
    algorithm, algorithms = codes(trials["algorithm"])
    dataset, datasets = codes(trials["dataset"])
    number = numbers(trials["run"])
    runs_each = int(number.max()) + 1
    key = (algorithm * len(datasets) + dataset) * runs_each + number
    order = slice(None) if (np.diff(key) >= 0).all() else np.argsort(key, kind="stable")
    key = key[order]
    columns = {field: numbers(trials[column])[order] for field, column in _COLUMNS.items()}
    starts = np.flatnonzero(np.diff(key, prepend=-1))  # first row of every run of every group
    group_of_run, number_of_run = np.divmod(key[starts], runs_each)
    names = [(a, d) for a in algorithms for d in datasets]
    backwards = np.flatnonzero((np.diff(columns["elapsed"]) < 0) & (np.diff(key) == 0))
    if len(backwards):
        group, run = divmod(int(key[backwards[0]]), runs_each)
        raise RecordError(
            f"elapsed seconds decrease within run {run} of {' on '.join(names[group])}: the run is recorded twice or "
            "damaged. Delete the file that holds it under trials/ and complete the study with nas-run"
        )
    bounds = np.append(starts, len(key))
    groups = {}
    for group in np.flatnonzero(np.bincount(group_of_run)).tolist():  # np.unique would import numpy.ma
        of_group = np.flatnonzero(group_of_run == group)
        first = bounds[of_group[0] : of_group[-1] + 2]
        rows: dict[str, Any] = {field: values[first[0] : first[-1]] for field, values in columns.items()}
        first = first - first[0]
        order_in_run = np.arange(1, first[-1] + 1) - np.repeat(first[:-1], np.diff(first))
        groups[names[group]] = Runs(
            number_of_run[of_group].astype(np.int32), first, order_in_run.astype(np.int32), **rows
        )
    return groups


def incumbent_changes(runs: Runs) -> Runs:
    """Keep only the trials that change a run's incumbent or end the run.

    All statistics stay the same, except `incumbents_at_every_trial` and `weight_sharing_runs`.
    """
    kept = runs.incumbent.copy()
    kept[runs.first[1:] - 1] = True
    rows: dict[str, Any] = {field: getattr(runs, field)[kept] for field in ("order", *_COLUMNS)}
    return replace(runs, first=np.append(0, np.cumsum(kept))[runs.first], **rows)


def concatenate_runs(parts: Sequence[Runs]) -> Runs:
    """Concatenate runs of one algorithm on one data set in the order of their numbers.

    Raises:
        RecordError: two parts have runs with the same number.
    """
    parts = sorted(parts, key=lambda runs: int(runs.number[0]))
    number = np.concatenate([runs.number for runs in parts])
    repeated = np.flatnonzero(np.diff(number) <= 0)
    if len(repeated):
        raise RecordError(
            f"run {number[repeated[0] + 1]} is recorded twice. Delete one of the files that hold it under trials/ and "
            "complete the study with nas-run"
        )
    lengths = np.concatenate([np.diff(runs.first) for runs in parts])
    rows: dict[str, Any] = {
        field: np.concatenate([getattr(runs, field) for runs in parts]) for field in ("order", *_COLUMNS)
    }
    return replace(parts[0], number=number, first=np.append(0, np.cumsum(lengths)), **rows)


@dataclass(frozen=True)
class RecordedTrials:
    """The trials of a whole study."""

    groups: Mapping[Group, Runs]
    """Groups that have at least one trial."""
    fidelities: Mapping[Group, Counter[tuple[str, int]]]
    """Number of trials at each (schedule, epoch)."""
    failed: int
    """Number of trials whose score is NaN."""

    @property
    def trials(self) -> int:
        return sum(used.total() for used in self.fidelities.values())

    @classmethod
    def of(cls, tables: Iterable[pa.Table], every_trial: bool, untested: Sequence[str] = ()) -> RecordedTrials:
        """Collect tables of trials (TRIALS_SCHEMA), each of which holds whole runs, one after the other.

        Args:
            every_trial: keep all trials; otherwise only `incumbent_changes`, about 0.35 KB per run.
            untested: data sets without a test.

        Raises:
            RecordError: a run is recorded twice, or its elapsed seconds decrease.
        """
        parts: dict[Group, list[Runs]] = {}
        used: dict[Group, Counter[tuple[str, int]]] = {}
        failed = 0
        for trials in tables:
            for group, runs in runs_by_group(trials).items():
                parts.setdefault(group, []).append(runs if every_trial else incumbent_changes(runs))
            for group, counts in fidelities(trials).items():
                used.setdefault(group, Counter()).update(counts)
            failed += int(np.isnan(numbers(trials["validation"])).sum())
        groups = {group: concatenate_runs(runs) for group, runs in parts.items()}
        judged = {group: replace(runs, tested=group[1] not in untested) for group, runs in groups.items()}
        return cls(judged, used, failed)


def fidelities(trials: pa.Table) -> dict[Group, Counter[tuple[str, int]]]:
    """The number of trials of each group at each (schedule, epoch)."""
    schedule, schedules = codes(trials["schedule"])
    epoch = numbers(trials["epoch"])
    return {
        group: Counter(
            {
                (schedules[code], int(epochs)): int(count)
                for (code, epochs), count in zip(
                    *np.unique(np.stack([schedule[rows], epoch[rows]], axis=1), axis=0, return_counts=True), strict=True
                )
            }
        )
        for group, rows in _rows_by_group(trials).items()
    }


def finished_runs(overhead: pa.Table) -> dict[Group, int]:
    """The number of runs of each group, including those without a trial (OVERHEAD_SCHEMA has a row for each run)."""
    return {group: len(rows) for group, rows in _rows_by_group(overhead).items()}


def mean_search_seconds(overhead: pa.Table) -> dict[Group, float]:
    """Mean host seconds of the search per run, by group, from an overhead table (OVERHEAD_SCHEMA)."""
    seconds = numbers(overhead["search_seconds"])
    return {group: float(seconds[rows].mean()) for group, rows in _rows_by_group(overhead).items()}


def _rows_by_group(table: pa.Table) -> dict[Group, NDArray[np.int64]]:
    """The positions of the rows of each group, in the order of the groups' first rows."""
    algorithm, algorithms = codes(table["algorithm"])
    dataset, datasets = codes(table["dataset"])
    key = algorithm * len(datasets) + dataset
    groups, first = np.unique(key, return_index=True)
    return {
        (algorithms[group // len(datasets)], datasets[group % len(datasets)]): np.flatnonzero(key == group)
        for group in groups[np.argsort(first)]
    }
