"""Incumbent trajectories, and statistics over runs.

Pure functions without files or figures. All numbers are scores, of which larger ones are better, unless a docstring
says otherwise; `Aggregate.in_units_of` turns statistics of scores into those of the metric's values. The points of
many runs are concatenated in flat arrays, as in `experiments.records.runs.Runs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics import Metric
from experiments.records.runs import Floats, Runs

Interpolation = Literal["step", "nats"]
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)
Band = Literal["iqr", "sem", "std", "ci"]
"""The band drawn around a mean: the interquartile range, one standard error or one standard deviation on either side,
or the bootstrap interval of the mean."""
BANDS: tuple[Band, ...] = get_args(Band)
CONFIDENCE = 0.95
"""Confidence level of bootstrap intervals."""
RESAMPLES, BOOTSTRAP_SEED = 1000, 0
"""Resamples and fixed seed of the bootstrap, so that equal records give equal intervals."""
MOST_VALUES = 2**25
"""Largest number of values in one temporary array: 0.25 GiB, of which a few are in memory at a time."""


@dataclass(frozen=True)
class Trajectories:
    """The incumbents of runs over time. `first` has shape (runs + 1,), the rest shape (points,).

    From `elapsed` on (seconds, or evaluations), a run's incumbent is `architecture`, whose score is `final`
    (`Runs.final`). A run of which every evaluation failed has no point.
    """

    first: NDArray[np.int64]
    elapsed: Floats
    architecture: NDArray[np.int32]
    final: Floats

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Points per run."""
        return np.diff(self.first)


@dataclass(frozen=True)
class Aggregate:
    """Statistics over runs, in the shape of the remaining axes; NaN if no run has a value."""

    count: NDArray[np.int64]
    """Number of runs with a value; the other statistics are over these runs."""
    mean: Floats
    std: Floats
    """Population standard deviation, np.std, as in the papers' tables."""
    sem: Floats
    """Standard error of the mean: sample standard deviation / sqrt(count); NaN for one run."""
    lower: Floats
    """First quartile, interpolated linearly."""
    median: Floats
    upper: Floats
    """Third quartile."""
    low: Floats
    """Lower end of the bootstrap interval of the mean; NaN for fewer than two runs, or if it was not requested."""
    high: Floats
    """Upper end of that interval."""

    @classmethod
    def concatenate(cls, parts: Sequence[Aggregate]) -> Aggregate:
        """Join aggregates of consecutive parts of the remaining axis."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def band(self, kind: Band) -> tuple[Floats, Floats]:
        """(lower, upper) edges of the band around the mean."""
        if kind == "iqr":
            return self.lower, self.upper
        if kind == "ci":
            return self.low, self.high
        half = {"sem": self.sem, "std": self.std}[kind]
        return self.mean - half, self.mean + half

    def in_units_of(self, metric: Metric) -> Aggregate:
        """Convert statistics of scores to statistics of the values of a metric."""
        if metric.larger_is_better:
            return self
        return replace(
            self, mean=-self.mean, lower=-self.upper, median=-self.median, upper=-self.lower, low=-self.high,
            high=-self.low,
        )  # fmt: skip


@dataclass(frozen=True)
class Final:
    """The final results of the runs of one algorithm on one data set."""

    runs: int
    score: Aggregate
    """The score for which the last incumbent of each run was chosen; all aggregates are scalars."""
    validation: Aggregate
    """Validation score of the last incumbents at the reporting fidelity."""
    test: Aggregate
    """Test score of the last incumbents at the reporting fidelity."""
    evaluations: float
    """Mean number of trials per run."""
    search_seconds: float
    """Mean host seconds per run spent in the search algorithm itself; NaN if not recorded."""


def incumbents(runs: Runs) -> Trajectories:
    """Trajectories with one point per change of the incumbent: the trials at which `Runs.incumbent` is true."""
    first = np.append(0, np.cumsum(runs.incumbent))[runs.first]
    chosen = runs.incumbent
    return Trajectories(first, runs.elapsed[chosen], runs.architecture[chosen], runs.final[chosen])


def incumbents_at_every_trial(runs: Runs) -> Trajectories:
    """Trajectories with one point per trial from the first incumbent on, as the published scripts log them."""
    rows = np.arange(len(runs.elapsed))
    answer = np.maximum.accumulate(np.where(runs.incumbent, rows, -1))  # row of the latest incumbent, of any run
    answered = answer >= np.repeat(runs.first[:-1], np.diff(runs.first))  # ... of this run
    answer = answer[answered]
    first = np.append(0, np.cumsum(answered))[runs.first]
    return Trajectories(first, runs.elapsed[answered], runs.architecture[answer], runs.final[answer])


def regret(optimum: float, score: Floats) -> Floats:
    """Simple regret: the distance of `score` from the score of the best architecture, in the unit of the metric."""
    return optimum - score


def aggregate(values: Floats, *, interval: bool = False) -> Aggregate:
    """Statistics over the runs, the first axis of `values`; a NaN is a run without a value.

    Args:
        interval: whether to compute the bootstrap interval of the mean.
    """
    ordered = np.sort(values, axis=0)  # NaN last
    present = ~np.isnan(ordered)
    count = present.sum(axis=0)
    mean = _ratio(np.where(present, ordered, 0).sum(axis=0), count)
    squares = (np.where(present, ordered - mean, 0) ** 2).sum(axis=0)
    lower, median, upper = (_quantile(ordered, count, q) for q in (0.25, 0.5, 0.75))
    sem = np.sqrt(_ratio(squares, count * (count - 1)))
    unknown = np.full(mean.shape, np.nan)
    low, high = bootstrap_interval(values, np.random.default_rng(BOOTSTRAP_SEED)) if interval else (unknown, unknown)
    return Aggregate(count, mean, np.sqrt(_ratio(squares, count)), sem, lower, median, upper, low, high)


def bootstrap_interval(
    values: Floats, rng: np.random.Generator, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> tuple[Floats, Floats]:
    """(lower, upper) ends of the percentile bootstrap interval of the mean over runs, the first axis of `values`.

    Whole runs are drawn with replacement, the same ones along all other axes. A NaN in `values` is a run without a
    value; the ends are NaN where fewer than two runs have one. With few runs, the interval is too narrow: its coverage
    is below `confidence`.

    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    runs, known = len(values), (~np.isnan(values)).sum(axis=0)
    of_value = np.ones(runs, np.int64)
    if values.ndim == 1:  # draws runs of equal value together, as there are many on a table
        values, of_value = np.unique(values, return_counts=True)
    present = ~np.isnan(values)
    flat = [of_runs.reshape(len(values), -1) for of_runs in (np.where(present, values, 0), present.astype(float))]
    means = np.empty((resamples, *values.shape[1:]))
    block = max(1, MOST_VALUES // len(values))
    for some in (means[first : first + block] for first in range(0, resamples, block)):
        drawn = rng.multinomial(runs, of_value / runs, size=len(some)).astype(float)  # how often each
        totals, counts = ((drawn @ of_runs).reshape(some.shape) for of_runs in flat)
        some[...] = _ratio(totals, counts.astype(np.int64))
    means.sort(axis=0)
    count = (~np.isnan(means)).sum(axis=0)
    edges = (_quantile(means, count, q) for q in ((1 - confidence) / 2, (1 + confidence) / 2))
    low, high = (np.where(known >= 2, edge, np.nan) for edge in edges)
    return low, high


def _ratio(numerator: Floats, denominator: NDArray[np.int64]) -> Floats:
    """The elementwise quotient; NaN for a denominator of 0."""
    quotient = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, where=denominator > 0, out=quotient)
    return quotient


def _quantile(ordered: Floats, count: NDArray[np.int64], q: float) -> Floats:
    """Quantile q of the first `count` values along axis 0, interpolated linearly as np.quantile does."""
    position = q * np.maximum(count - 1, 0)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low, high = (np.take_along_axis(ordered, index[None], axis=0)[0] for index in (below, above))
    found: Floats = low + (position - below) * (high - low)
    return found


@dataclass(frozen=True)
class Answers:
    """The last incumbent of each run, including one from a kept evaluation that crossed the budget; shape (runs,)."""

    architecture: NDArray[np.int32]
    """Official index; -1 for a run without an incumbent, whose scores are NaN."""
    score: Floats
    """The score for which it was chosen."""
    validation: Floats
    """Validation score at the reporting fidelity; NaN if the benchmark has none."""
    test: Floats
    """Test score at the reporting fidelity; NaN if the benchmark has none."""
    tested: bool = True
    """Whether `final` is the test score."""

    @property
    def final(self) -> Floats:
        """The score by which answers are compared, see `Runs.final`."""
        return self.test if self.tested else self.validation


def answers(runs: Runs) -> Answers:
    """The final incumbent of each run."""
    points = incumbents(runs)
    last = np.where(points.sizes > 0, points.first[1:] - 1, -1)
    score, validation, test = (
        np.append(values[runs.incumbent], np.nan)[last] for values in (runs.score, runs.validation, runs.test)
    )
    return Answers(np.append(points.architecture, np.int32(-1))[last], score, validation, test, runs.tested)


def final(runs: Runs, search_seconds: float = np.nan) -> Final:
    """The final results of the runs, with bootstrap intervals.

    Args:
        search_seconds: mean host seconds per run, copied into the result.
    """
    ends = answers(runs)
    score, validation, test = (aggregate(values, interval=True) for values in (ends.score, ends.validation, ends.test))
    return Final(len(runs), score, validation, test, float(runs.evaluations.mean()), search_seconds)
