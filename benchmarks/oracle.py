"""Oracles: pure look-ups in a benchmark table, without clock, budget or global random state.

Tables hold values in the unit of the task's metric. An oracle converts them to scores, which are larger-is-better
(`Oracle._scores`): all numbers that it returns, including final ones, are scores. `oracle.metric.value(score)` is the
value in the metric's unit; for accuracy the two are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.costs import COST_MODELS, CostModel, EvaluationCosts
from benchmarks.errors import InputError, TableError
from benchmarks.metrics import Metric
from benchmarks.outcomes import Fidelity, FinalReport, Outcome, format_ranges
from benchmarks.spaces import Arch, space_named
from benchmarks.spaces.base import uniform_int
from benchmarks.table import BenchmarkTable, Task


@dataclass(frozen=True)
class SeedPolicy:
    """The rule by which a query chooses among the recorded training seeds.

    `sampled` draws one recorded seed per query, as the official NATS-Bench API does; `mean` averages the recorded
    seeds; `fixed:777` uses seed 777. A table that holds only the published mean supports only `mean`.
    """

    kind: Literal["sampled", "mean", "fixed"]
    seed: str = ""

    @classmethod
    def parse(cls, text: str) -> SeedPolicy:
        """The policy written as 'sampled', 'mean' or 'fixed:SEED'; InputError otherwise."""
        kind, _, seed = text.partition(":")
        if kind == "fixed" and seed:
            return cls("fixed", seed)
        if text in ("sampled", "mean"):
            return cls(cast(Literal["sampled", "mean"], text))
        raise InputError(f"a seed policy is 'sampled', 'mean' or 'fixed:SEED', got {text!r}")

    def __str__(self) -> str:
        return f"fixed:{self.seed}" if self.kind == "fixed" else self.kind


@dataclass(frozen=True)
class _FidelityData:
    """Everything that can be queried at one fidelity, with one row per architecture of the space.

    `scores` and `seconds` have shape (architectures, seeds kept); `recorded` is the number of leading seeds with
    measurements. `lists` holds the same numbers row by row as Python floats, three times faster to read one by one.
    """

    scores: NDArray[np.float64]
    seconds: NDArray[np.float64]
    recorded: NDArray[np.int64]

    @cached_property
    def lists(self) -> tuple[list[float], list[float], list[int], int]:
        """(scores, seconds, recorded, seeds kept)."""
        return self.scores.ravel().tolist(), self.seconds.ravel().tolist(), self.recorded.tolist(), self.scores.shape[1]


class Oracle:
    """Answers a searcher's queries on one data set of a table, from validation numbers only.

    Args:
        table: the benchmark.
        dataset: a task of the table: 'cifar10', 'cifar100', 'ImageNet16-120'.
        cost_model: the recorded seconds that an evaluation is charged. `nats` (official): all training epochs and one
            validation pass; `train_only`: training epochs; `train_and_valid_each_epoch`: a validation pass after every
            training epoch. If the table has no times at all, an evaluation is charged 0 seconds.
        seed_policy: a SeedPolicy or its text: 'sampled', 'mean', 'fixed:SEED'.

    Raises:
        TableError: the table lacks the data set, the seed, or some of the times that the cost model needs.
    """

    def __init__(
        self,
        table: BenchmarkTable,
        dataset: str,
        *,
        cost_model: CostModel = "nats",
        seed_policy: SeedPolicy | str = "sampled",
    ) -> None:
        if cost_model not in COST_MODELS:
            raise InputError(f"the cost model is one of {', '.join(COST_MODELS)}, got {cost_model!r}")
        self.table, self.dataset, self.cost_model = table, dataset, cost_model
        self.seed_policy = SeedPolicy.parse(seed_policy) if isinstance(seed_policy, str) else seed_policy
        self.space = space_named(table.info.space)
        self.task: Task = table.task(dataset)
        self.costs = EvaluationCosts(table, dataset, cost_model)
        self._loaded: dict[Fidelity, _FidelityData] = {}

    @property
    def search_fidelity(self) -> Fidelity:
        """The full length of the task's search schedule."""
        epochs = self.epochs(self.task.search_schedule)
        return Fidelity(self.task.search_schedule, epochs[-1])

    @property
    def metric(self) -> Metric:
        """The metric of scores and final reports."""
        return self.task.metric

    @property
    def has_test(self) -> bool:
        """Whether there are test scores to report; without them, final reports and ranks use validation."""
        return self.task.report_record is not None

    @property
    def report_fidelity(self) -> Fidelity:
        """The fidelity of `final_report`: the last epoch of the task's reporting schedule."""
        return Fidelity(self.task.report_schedule, self.table.columns[self.task.report_column].epochs[-1])

    def epochs(self, schedule: str) -> tuple[int, ...]:
        """The epochs of `schedule` with a validation score; TableError if there are none."""
        name = self._name(self.task.search_record, schedule, "valid")
        if name not in self.table.columns:
            wanted = (self.task.search_record, "valid", self.metric.name)
            columns = self.table.columns.values()
            have = sorted({c.schedule for c in columns if (c.record, c.split, c.quantity) == wanted}, key=int)
            raise TableError(
                f"{self.table.info.name} has no validation score of {self.dataset} at schedule {schedule!r}; "
                f"schedules with one: {', '.join(have) or 'none'}"
            )
        return self.table.columns[name].epochs

    def query(self, arch: Arch, fidelity: Fidelity, rng: np.random.Generator | None = None) -> Outcome:
        """The validation score and cost of training `arch` to `fidelity`.

        Args:
            rng: draws the seed; required and used only by the policy `sampled`.

        Raises:
            TableError: the table has no validation score at this fidelity, or does not hold the architecture.
        """
        data = self._loaded.get(fidelity) or self._load(fidelity)
        index = self.space.index(arch)
        scores, seconds, recorded, width = data.lists
        count = recorded[index]
        if count == 0:
            raise self._missing(index, fidelity)
        cell = index * width
        if count > 1:
            cell += uniform_int(_required(rng), count)
        return Outcome(scores[cell], seconds[cell])

    def query_many(
        self, indices: NDArray[np.int64], fidelity: Fidelity, rng: np.random.Generator | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The scores (n,) and seconds (n,) of official indices (n,); otherwise like `query`."""
        data = self._loaded.get(fidelity) or self._load(fidelity)
        if len(indices) and not (indices.min() >= 0 and indices.max() < len(self.space)):
            raise InputError(f"official indices of {self.space.name} are 0..{len(self.space) - 1}, got {indices}")
        recorded = data.recorded.take(indices)
        if len(recorded) and recorded.min() == 0:
            raise self._missing(int(indices[recorded.argmin()]), fidelity)
        width = data.scores.shape[1]
        if width == 1:
            return data.scores.take(indices), data.seconds.take(indices)
        drawn = (_required(rng).random(len(indices)) * recorded).astype(np.int64)
        cells = indices * width + drawn
        return data.scores.take(cells), data.seconds.take(cells)

    def unmeasured(self, fidelity: Fidelity) -> NDArray[np.int64]:
        """The official indices of the architectures without a score at `fidelity`; raises what `query` raises."""
        data = self._loaded.get(fidelity) or self._load(fidelity)
        return np.flatnonzero(data.recorded == 0)

    def mean_seconds(self, fidelity: Fidelity) -> float:
        """The mean seconds charged for a query at `fidelity`, over the measured architectures; raises like `query`."""
        data = self._loaded.get(fidelity) or self._load(fidelity)
        return float(np.nanmean(data.seconds))

    def final_report(self, arch: Arch) -> FinalReport:
        """The scores to report for `arch`, which no searcher sees; TableError if the table has none."""
        index = self.space.index(arch)
        final = float(self.final_scores[index])
        if np.isnan(final):
            split = "test" if self.has_test else "validation"
            raise TableError(
                f"{self.table.info.name} has no {split} {self.metric.name} of architecture {index} on {self.dataset}"
            )
        rank = 1 + int(np.count_nonzero(self.final_scores > final))
        return FinalReport(float(self.final_validation[index]), float(self.final_test[index]), rank)

    @cached_property
    def final_test(self) -> NDArray[np.float64]:
        """Test scores (architectures of the space,) at the reporting fidelity, mean over seeds; NaN if missing."""
        return self._final(self.task.report_record, "test")

    @cached_property
    def final_validation(self) -> NDArray[np.float64]:
        """Validation scores (architectures of the space,) at the reporting fidelity, mean over seeds; or NaN."""
        return self._final(self.task.search_record, "valid")

    @property
    def final_scores(self) -> NDArray[np.float64]:
        """The scores that rank architectures: `final_test`, or `final_validation` if there is no test."""
        return self.final_test if self.has_test else self.final_validation

    @cached_property
    def optimum(self) -> tuple[int, float]:
        """(official index, score) of the best of `final_scores`."""
        best = int(np.nanargmax(self.final_scores))
        return best, float(self.final_scores[best])

    def _name(self, record: str, schedule: str, split: str) -> str:
        """The column of the task's metric."""
        return f"{record}/{schedule}/{split}/{self.metric.name}"

    def _scores(self, name: str) -> NDArray[np.float64]:
        """The scores (rows, seeds, epochs) of a column of the metric; the only place that converts values to scores."""
        return self.metric.score(self.table.values(name))

    def _final(self, record: str | None, split: str) -> NDArray[np.float64]:
        name = self._name(record or "", self.task.report_schedule, split)
        if name not in self.table.columns:
            return np.full(len(self.space), np.nan)
        values = self._scores(name)[:, :, -1]
        counts = np.count_nonzero(~np.isnan(values), axis=1)
        means = np.divide(np.nansum(values, axis=1), counts, out=np.full(len(values), np.nan), where=counts > 0)
        return self._spread(means)

    def _load(self, fidelity: Fidelity) -> _FidelityData:
        """Read one fidelity from the table, with the seeds chosen by the policy."""
        name = self._name(self.task.search_record, fidelity.schedule, "valid")
        epochs = self.epochs(fidelity.schedule)
        if fidelity.epoch not in epochs:
            raise TableError(
                f"{self.table.info.name} has no validation score of {self.dataset} at {fidelity}; "
                f"schedule {fidelity.schedule} has one at epoch {format_ranges(epochs)}"
            )
        scores = self._scores(name)[:, :, epochs.index(fidelity.epoch)]
        seconds = self.costs.seconds(fidelity, self.table.columns[name].seeds)
        seconds = np.where(np.isnan(scores), np.nan, seconds)
        if lacking := int(np.count_nonzero(np.isnan(seconds) & ~np.isnan(scores))):
            raise TableError(
                f"{self.table.info.name} has {lacking} validation scores of {self.dataset} at {fidelity} without the "
                f"seconds that the cost model {self.cost_model!r} needs; other cost models: {', '.join(COST_MODELS)}"
            )
        if self.seed_policy.kind == "mean":
            counts = np.maximum(1, np.count_nonzero(~np.isnan(scores), axis=1, keepdims=True))
            unknown = np.isnan(scores).all(1, keepdims=True)
            scores = np.where(unknown, np.nan, np.nansum(scores, 1, keepdims=True) / counts)
            seconds = np.nansum(seconds, 1, keepdims=True) / counts
        else:
            keep = self._seeds_kept(name)
            scores, seconds = scores[:, keep], seconds[:, keep]
        first = np.argsort(np.isnan(scores), axis=1, kind="stable")  # moves recorded seeds to the front, in order
        scores, seconds = np.take_along_axis(scores, first, 1), np.take_along_axis(seconds, first, 1)
        recorded = np.count_nonzero(~np.isnan(scores), axis=1)
        data = _FidelityData(self._spread(scores), self._spread(seconds), self._spread(recorded, fill=0))
        self._loaded[fidelity] = data
        return data

    def _seeds_kept(self, name: str) -> list[int]:
        """Positions on the seed axis that the policy may use."""
        seeds = self.table.columns[name].seeds
        if self.seed_policy.kind == "fixed":
            if self.seed_policy.seed not in seeds:
                raise TableError(
                    f"{self.table.info.name} has no seed {self.seed_policy.seed} in {name}; it has {', '.join(seeds)}"
                )
            return [seeds.index(self.seed_policy.seed)]
        if seeds == ("mean",):
            raise TableError(
                f"{self.table.info.name} holds only means over seeds, so that no seed can be sampled: "
                "use the seed policy 'mean' (--seed-policy mean)"
            )
        return list(range(len(seeds)))

    def _spread(self, rows: NDArray[Any], fill: float = np.nan) -> NDArray[Any]:
        """Expand table rows to one row per official index of the space, with `fill` for indices not in the table."""
        if len(rows) == len(self.space):
            return rows
        spread = np.full((len(self.space), *rows.shape[1:]), fill, rows.dtype)
        spread[self.table.architectures] = rows
        return spread

    def _missing(self, index: int, fidelity: Fidelity) -> TableError:
        name = self.space.to_string(self.space.arch(index))
        return TableError(
            f"{self.table.info.name} has no validation score of architecture {index} ({name}) on {self.dataset} "
            f"at {fidelity}; it holds {len(self.table)} of {len(self.space)} architectures"
        )


def _required(rng: np.random.Generator | None) -> np.random.Generator:
    if rng is None:
        raise ValueError("the seed policy 'sampled' draws a seed per query: pass rng, a numpy.random.Generator")
    return rng
