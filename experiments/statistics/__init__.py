"""Pure functions from records to numbers."""

from experiments.statistics.aggregates import (
    Aggregate,
    aggregate,
    answers,
    bootstrap_interval,
    final,
    incumbents,
    regret,
)
from experiments.statistics.anytime import Reached, mean_over_time, median_needed, reach
from experiments.statistics.inference import (
    a12,
    compare_all,
    compare_over_datasets,
    expected_ranks,
    holm,
    mann_whitney,
    rank_datasets,
)
from experiments.statistics.resampling import resample

__all__ = [
    "Aggregate",
    "Reached",
    "a12",
    "aggregate",
    "answers",
    "bootstrap_interval",
    "compare_all",
    "compare_over_datasets",
    "expected_ranks",
    "final",
    "holm",
    "incumbents",
    "mann_whitney",
    "mean_over_time",
    "median_needed",
    "rank_datasets",
    "reach",
    "regret",
    "resample",
]
