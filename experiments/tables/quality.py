"""Quality of a benchmark table: how well it distinguishes architectures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.table import BenchmarkTable, Column

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """The quality of the values of one column after the last epoch."""

    column: Column
    percentiles: tuple[float, float, float]
    """5th, 50th and 95th percentile over architectures of the mean over seeds, in the column's unit."""
    seed_agreement: float
    """Spearman's rank correlation between two seeds over the architectures measured with both, averaged over all pairs
    of seeds; NaN if there is only one seed."""
    search_agreement: float
    """Spearman's rank correlation of the mean over seeds with that of the reported column."""


def qualities(table: BenchmarkTable) -> Iterator[Quality]:
    """Yield the quality of the searched and of the reported column of each task of the table."""
    for task in table.info.tasks.values():
        reported = task.report_column
        for name in dict.fromkeys((task.search_column, reported)):
            if name in table.columns:
                agreement = rank_correlation(final_mean(table, name), final_mean(table, reported))
                yield Quality(
                    table.columns[name],
                    _percentiles(final_mean(table, name)),
                    seed_agreement(table.values(name)[:, :, -1]),
                    agreement,
                )


def final_mean(table: BenchmarkTable, name: str) -> Floats:
    """The mean over the measured seeds after the last epoch, (architectures,); NaN if no seed is measured."""
    final = table.values(name)[:, :, -1]
    counts = np.count_nonzero(~np.isnan(final), axis=1)
    means: Floats = np.divide(np.nansum(final, axis=1), counts, out=np.full(len(final), np.nan), where=counts > 0)
    return means


def seed_agreement(final: Floats) -> float:
    """Mean rank correlation over all pairs of seeds; `final` has the shape (architectures, seeds)."""
    pairs = [rank_correlation(final[:, a], final[:, b]) for a, b in combinations(range(final.shape[1]), 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's rho over the architectures measured in both; NaN for fewer than three."""
    both = ~np.isnan(first) & ~np.isnan(second)
    if np.count_nonzero(both) < 3:
        return float("nan")
    return float(spearmanr(first[both], second[both]).statistic)


def _percentiles(values: Floats) -> tuple[float, float, float]:
    low, middle, high = np.nanpercentile(values, [5, 50, 95])
    return float(low), float(middle), float(high)
