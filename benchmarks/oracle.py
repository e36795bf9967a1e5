"""Oracles: pure look-ups in a benchmark table. No clock, no budget, no global random state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.outcomes import Fidelity, FinalReport, Outcome
from benchmarks.spaces import Arch, space_named
from benchmarks.spaces.base import uniform_int
from benchmarks.table import BenchmarkTable, TableError, Task

CostModel = Literal["nats", "train_only", "train_and_valid_each_epoch"]
COST_MODELS: tuple[CostModel, ...] = get_args(CostModel)


@dataclass(frozen=True)
class SeedPolicy:
    """Which training seed's numbers a query returns.

    `sampled` draws one recorded seed per query, as the official NATS-Bench API does; `mean` averages the recorded
    seeds; `fixed:777` takes seed 777. A table that holds only the published mean can only serve `mean`.
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
class _Answers:
    """Everything one fidelity can answer, one row per architecture of the space.

    `scores` and `seconds` have shape (architectures, seeds kept); `recorded` says how many leading seeds hold numbers.
    The lists repeat the arrays as Python floats, three times faster to read one by one.
    """

    scores: NDArray[np.float64]
    seconds: NDArray[np.float64]
    recorded: NDArray[np.int64]

    @cached_property
    def lists(self) -> tuple[list[list[float]], list[list[float]], list[int]]:
        return self.scores.tolist(), self.seconds.tolist(), self.recorded.tolist()


class Oracle:
    """Answers a searcher's queries on one data set of a table, from validation numbers only.

    Args:
        table: the benchmark.
        dataset: a task of the table: 'cifar10', 'cifar100', 'ImageNet16-120'.
        cost_model: what an evaluation is charged, in the benchmark's recorded seconds. `nats` (official): all training
            epochs and one validation pass; `train_only`: training epochs; `train_and_valid_each_epoch`: a validation
            pass after every training epoch.
        seed_policy: a SeedPolicy, or how it is written: 'sampled', 'mean', 'fixed:SEED'.

    Raises:
        TableError: the table lacks the data set, the seed, or the numbers the cost model needs.
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
            raise InputError(f"a cost model is one of {', '.join(COST_MODELS)}, got {cost_model!r}")
        self.table, self.dataset, self.cost_model = table, dataset, cost_model
        self.seed_policy = SeedPolicy.parse(seed_policy) if isinstance(seed_policy, str) else seed_policy
        self.space = space_named(table.info.space)
        self.task: Task = table.task(dataset)
        self._answers: dict[Fidelity, _Answers] = {}

    @property
    def search_fidelity(self) -> Fidelity:
        """The whole of the task's search schedule."""
        epochs = self.epochs(self.task.search_schedule)
        return Fidelity(self.task.search_schedule, epochs[-1])

    @property
    def report_fidelity(self) -> Fidelity:
        """Where `final_report` reads: the last epoch of the task's reporting schedule."""
        name = f"{self.task.report_record}/{self.task.report_schedule}/test/{self.task.metric}"
        return Fidelity(self.task.report_schedule, self.table.columns[name].epochs[-1])

    def epochs(self, schedule: str) -> tuple[int, ...]:
        """Epochs of `schedule` with a validation score; TableError if there are none."""
        name = f"{self.task.search_record}/{schedule}/valid/{self.task.metric}"
        if name not in self.table.columns:
            wanted = (self.task.search_record, "valid", self.task.metric)
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
            rng: draws the seed; needed by, and only used by, the policy `sampled`.

        Raises:
            TableError: the table has no clean validation score there, or does not hold the architecture.
        """
        answers = self._answers.get(fidelity) or self._load(fidelity)
        index = self.space.index(arch)
        scores, seconds, recorded = answers.lists
        count = recorded[index]
        if count == 1:
            return Outcome(scores[index][0], seconds[index][0])
        if count == 0:
            raise self._missing(index, fidelity)
        drawn = uniform_int(_required(rng), count)
        return Outcome(scores[index][drawn], seconds[index][drawn])

    def query_many(
        self, indices: NDArray[np.int64], fidelity: Fidelity, rng: np.random.Generator | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n,) scores and (n,) seconds of (n,) official indices; otherwise as `query`."""
        answers = self._answers.get(fidelity) or self._load(fidelity)
        if len(indices) and not (indices.min() >= 0 and indices.max() < len(self.space)):
            raise InputError(f"official indices of {self.space.name} are 0..{len(self.space) - 1}, got {indices}")
        recorded = answers.recorded.take(indices)
        if len(recorded) and recorded.min() == 0:
            raise self._missing(int(indices[recorded.argmin()]), fidelity)
        width = answers.scores.shape[1]
        if width == 1:
            return answers.scores.take(indices), answers.seconds.take(indices)
        drawn = (_required(rng).random(len(indices)) * recorded).astype(np.int64)
        cells = indices * width + drawn
        return answers.scores.take(cells), answers.seconds.take(cells)

    def unmeasured(self, fidelity: Fidelity) -> NDArray[np.int64]:
        """Official indices of the architectures without a score at `fidelity`; otherwise as `query`."""
        answers = self._answers.get(fidelity) or self._load(fidelity)
        return np.flatnonzero(answers.recorded == 0)

    def mean_seconds(self, fidelity: Fidelity) -> float:
        """What a query at `fidelity` is charged, averaged over what is measured; otherwise as `query`."""
        answers = self._answers.get(fidelity) or self._load(fidelity)
        return float(np.nanmean(answers.seconds))

    def final_report(self, arch: Arch) -> FinalReport:
        """The numbers to report about `arch`; never shown to a searcher."""
        index = self.space.index(arch)
        test = float(self.final_test[index])
        if np.isnan(test):
            raise TableError(f"{self.table.info.name} has no test accuracy of architecture {index} on {self.dataset}")
        rank = 1 + int(np.count_nonzero(self.final_test > test))
        return FinalReport(float(self.final_validation[index]), test, rank)

    @cached_property
    def final_test(self) -> NDArray[np.float64]:
        """(architectures of the space,) percent test accuracy at the reporting fidelity, mean over seeds; NaN: none."""
        return self._final(self.task.report_record, "test")

    @cached_property
    def final_validation(self) -> NDArray[np.float64]:
        """(architectures of the space,) percent validation accuracy at the reporting fidelity; NaN: none."""
        return self._final(self.task.search_record, "valid")

    @cached_property
    def optimum(self) -> tuple[int, float]:
        """(official index, percent) of the best test accuracy at the reporting fidelity."""
        best = int(np.nanargmax(self.final_test))
        return best, float(self.final_test[best])

    def _final(self, record: str, split: str) -> NDArray[np.float64]:
        name = f"{record}/{self.task.report_schedule}/{split}/{self.task.metric}"
        if name not in self.table.columns:
            return np.full(len(self.space), np.nan)
        values = self.table.values(name)[:, :, -1]
        counts = np.count_nonzero(~np.isnan(values), axis=1)
        means = np.divide(np.nansum(values, axis=1), counts, out=np.full(len(values), np.nan), where=counts > 0)
        return self._spread(means)

    def _load(self, fidelity: Fidelity) -> _Answers:
        """Read one fidelity out of the table, seeds chosen by the policy."""
        name = f"{self.task.search_record}/{fidelity.schedule}/valid/{self.task.metric}"
        epochs = self.epochs(fidelity.schedule)
        if fidelity.epoch not in epochs:
            raise TableError(
                f"{self.table.info.name} has no clean validation score of {self.dataset} at {fidelity}; "
                f"schedule {fidelity.schedule} has one at epoch {format_ranges(epochs)}"
            )
        scores = self.table.values(name)[:, :, epochs.index(fidelity.epoch)]
        seconds = self._cost(fidelity, self.table.columns[name].seeds)
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
        first = np.argsort(np.isnan(scores), axis=1, kind="stable")  # recorded seeds to the front, in their order
        scores, seconds = np.take_along_axis(scores, first, 1), np.take_along_axis(seconds, first, 1)
        recorded = np.count_nonzero(~np.isnan(scores), axis=1)
        answers = _Answers(self._spread(scores), self._spread(seconds), self._spread(recorded, fill=0))
        self._answers[fidelity] = answers
        return answers

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
                f"{self.table.info.name} holds only means over seeds, from which no seed can be sampled: "
                "use the seed policy 'mean' (--seed-policy mean)"
            )
        return list(range(len(seeds)))

    def _cost(self, fidelity: Fidelity, seeds: tuple[str, ...]) -> NDArray[np.float64]:
        """(rows, seeds) seconds charged at `fidelity` under the cost model."""
        train = self._seconds("train", fidelity, seeds)
        cost: NDArray[np.float64] = train[:, :, : fidelity.epoch].sum(2)
        if self.cost_model != "train_only":
            first_pass = fidelity.epoch - 1 if self.cost_model == "nats" else 0
            cost += self._seconds("valid", fidelity, seeds)[:, :, first_pass : fidelity.epoch].sum(2)
        return cost

    def _seconds(self, split: str, fidelity: Fidelity, seeds: tuple[str, ...]) -> NDArray[np.float64]:
        """(rows, seeds, epochs) seconds of each epoch's training, or of each epoch's pass over `split`."""
        name = f"{self.task.search_record}/{fidelity.schedule}/{split}/seconds"
        column = self.table.columns.get(name)
        if column is None or column.seeds != seeds:
            advice = "" if split == "train" else ": use the cost model 'train_only' (--cost-model train_only)"
            raise TableError(
                f"{self.table.info.name} has no {split} seconds of {self.dataset} at schedule {fidelity.schedule}, "
                f"which the cost model {self.cost_model!r} needs{advice}"
            )
        needed = tuple(range(1, fidelity.epoch + 1))
        values = self.table.values(name)
        if not column.epochs:
            return np.broadcast_to(values, (*values.shape[:2], len(needed)))
        if column.epochs[: len(needed)] != needed:
            raise TableError(f"{name} of {self.table.info.name} must cover the epochs {format_ranges(needed)}")
        return values

    def _spread(self, rows: NDArray[Any], fill: float = np.nan) -> NDArray[Any]:
        """Table rows as one row per official index of the space, `fill` where the table has no row."""
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


def format_ranges(epochs: tuple[int, ...]) -> str:
    """Ascending epochs in words: '1-12' or '200'."""
    whole = epochs == tuple(range(epochs[0], epochs[-1] + 1)) and len(epochs) > 1
    return f"{epochs[0]}-{epochs[-1]}" if whole else ", ".join(map(str, epochs))
