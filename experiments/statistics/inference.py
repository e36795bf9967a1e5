"""Statistical inference about differences between algorithms: tests, effect sizes, ranks.

Pure functions of scores, of which larger ones are better. Two kinds of evidence are kept apart: runs on one data set
are independent repetitions of a search and show whether two algorithms differ there; data sets, of which there are few,
show whether a difference holds in general.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.records.runs import Floats

ALPHA = 0.05
"""Significance level of every test in a report."""
SIZES = {0.71: "large", 0.64: "medium", 0.56: "small"}
"""Least A12 or 1 - A12 -> name of the effect size: Vargha and Delaney 2000, section 3."""
MOST_ORDERS = 2000
"""Number of ways to split the runs in two up to which ties are treated exactly, by enumeration: for few runs, the
normal approximation is far off."""
FEWEST_SIGNED = 6
"""Fewest data sets with which a Wilcoxon signed-rank test can be significant: 2 / 2^5 > ALPHA > 2 / 2^6."""


class Comparison(NamedTuple):
    """Two algorithms on one data set."""

    dataset: str
    first: str
    second: str
    difference: float
    """Mean score of the first minus that of the second."""
    a12: float
    p: float
    """The p-value of a two-sided Mann-Whitney U test."""
    holm: float
    """`p` after Holm's adjustment for all comparisons of the list."""


def a12(first: Floats, second: Floats) -> float:
    """Probability that a run of `first` is better than one of `second`, ties counted half; 2 A12 - 1 is Cliff's delta.

    Vargha and Delaney, "A Critique and Improvement of the CL Common Language Effect Size Statistics of McGraw and
    Wong", Journal of Educational and Behavioral Statistics 25(2), 2000.
    """
    from scipy import stats  # slow to import

    ranks = stats.rankdata(np.concatenate([first, second]))
    wins = ranks[: len(first)].sum() - len(first) * (len(first) + 1) / 2  # Mann-Whitney's U of the first
    return float(wins / (len(first) * len(second)))


def effect_size(probability: float) -> str:
    """The name of the effect size of an A12: 'negligible', 'small', 'medium' or 'large'."""
    distance = max(probability, 1 - probability)
    return next((name for least, name in SIZES.items() if distance >= least), "negligible")


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjustment of p-values for multiple tests: Scandinavian Journal of Statistics 6(2), 1979.

    The k-th smallest of m is multiplied by m - k + 1; no adjusted value is below that of a smaller p, or above 1.
    """
    order = np.argsort(p, kind="stable")
    scaled = np.asarray(p, float)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    found: list[float] = adjusted.tolist()
    return found


def compare_all(finals: Mapping[str, Mapping[str, Floats]]) -> list[Comparison]:
    """Compare every two algorithms on every data set; p-values are adjusted for the whole list.

    Args:
        finals: data set -> algorithm -> final score of each run. Runs without a score (NaN) are left out, and so are
            algorithms without any score on a data set.
    """
    pairs: list[tuple[str, str, str, Floats, Floats]] = []
    for dataset, algorithms in finals.items():
        known = {name: values[~np.isnan(values)] for name, values in algorithms.items()}
        known = {name: values for name, values in known.items() if len(values)}
        pairs += [(dataset, one, other, known[one], known[other]) for one, other in combinations(known, 2)]
    p = [mann_whitney(one, other) for *_, one, other in pairs]
    return [
        Comparison(dataset, first, second, float(one.mean() - other.mean()), a12(one, other), value, adjusted)
        for (dataset, first, second, one, other), value, adjusted in zip(pairs, p, holm(p), strict=True)
    ]


def mann_whitney(first: Floats, second: Floats) -> float:
    """The p-value of a two-sided Mann-Whitney U test: exact for few runs, with ties; else a normal approximation."""
    from scipy import stats  # slow to import

    pooled = np.concatenate([first, second])
    tied = len(np.unique(pooled)) < len(pooled)
    if not tied or math.comb(len(pooled), len(first)) > MOST_ORDERS:
        return float(stats.mannwhitneyu(first, second, alternative="two-sided").pvalue)
    ranks = stats.rankdata(pooled)
    sums = ranks[np.array(list(combinations(range(len(pooled)), len(first))))].sum(axis=1)  # for every split
    observed = ranks[: len(first)].sum()
    return min(1.0, 2 * float(min((sums <= observed).mean(), (sums >= observed).mean())))


def least_p(first: int, second: int) -> float:
    """The smallest two-sided p-value that a Mann-Whitney U test with these numbers of runs can have."""
    return float(2 / math.comb(first + second, first))


@dataclass(frozen=True)
class Ranks:
    """Friedman's test over data sets, and the critical difference of average ranks by Nemenyi's test."""

    average: Mapping[str, float]
    """Algorithm -> mean rank over data sets, 1 being best; ties share a rank."""
    datasets: int
    statistic: float
    """Friedman's chi-squared, corrected for ties."""
    p: float
    critical_difference: float
    """Nemenyi's critical difference at level ALPHA."""

    def groups(self) -> list[list[str]]:
        """The maximal sets of two or more algorithms within one critical difference, best first."""
        names = sorted(self.average, key=lambda name: self.average[name])
        ranks = [self.average[name] for name in names]
        spans = [
            (i, max(j for j in range(i, len(names)) if ranks[j] - ranks[i] <= self.critical_difference))
            for i in range(len(names))
        ]
        longest = [(i, j) for n, (i, j) in enumerate(spans) if j > i and (n == 0 or spans[n - 1][1] < j)]
        return [names[i : j + 1] for i, j in longest]


def rank_datasets(means: Mapping[str, Sequence[float]]) -> Ranks:
    """Compare algorithms over data sets: Demšar, Journal of Machine Learning Research 7, 2006, section 3.2.

    Args:
        means: algorithm -> mean score on each data set, in the same order for all.

    Raises:
        ValueError: fewer than three algorithms, or fewer than two data sets.
    """
    from scipy import stats  # slow to import

    values = np.array(list(means.values()), float).T
    datasets, algorithms = values.shape if values.ndim == 2 else (0, len(means))
    if algorithms < 3 or datasets < 2:
        raise ValueError(f"needs three algorithms and two data sets, got {algorithms} and {datasets}")
    average = stats.rankdata(-values, axis=1).mean(axis=0)
    tied = (values == values[:, :1]).all()  # without any difference, the test would divide by zero
    statistic, p = (0.0, 1.0) if tied else stats.friedmanchisquare(*values.T)
    difference = nemenyi_quantile(algorithms) * math.sqrt(algorithms * (algorithms + 1) / (6 * datasets))
    named = dict(zip(means, average.tolist(), strict=True))
    return Ranks(named, datasets, float(statistic), float(p), difference)


def nemenyi_quantile(algorithms: int) -> float:
    """Critical value q at level ALPHA: the quantile of the studentized range with infinite degrees of freedom, divided
    by sqrt(2); Demšar 2006, table 5."""
    from scipy import stats  # slow to import

    return float(stats.studentized_range.ppf(1 - ALPHA, algorithms, np.inf) / math.sqrt(2))


def compare_over_datasets(means: Mapping[str, Sequence[float]]) -> list[tuple[str, str, float, float]]:
    """(first, second, p, Holm-adjusted p) of two-sided Wilcoxon signed-rank tests over data sets, for every pair.

    Args:
        means: as for `rank_datasets`. With fewer than FEWEST_SIGNED data sets, no p-value is below ALPHA.
    """
    pairs = list(combinations(means, 2))
    p = [_signed_rank(np.subtract(means[one], means[other])) for one, other in pairs]
    return [(*pair, value, adjusted) for pair, value, adjusted in zip(pairs, p, holm(p), strict=True)]


def _signed_rank(differences: NDArray[np.float64]) -> float:
    from scipy import stats  # slow to import

    return float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0


def expected_ranks(values: Sequence[Floats]) -> Floats:
    """Expected rank of each algorithm when one run of each is drawn at random; 1 is best; shape (algorithms, times).

    Computed exactly, as 1 + the sum over the other algorithms of P(other is better) + P(tie) / 2. Feurer et al.,
    "Efficient and Robust Automated Machine Learning", NeurIPS 2015, figure 3, estimate it by drawing.

    Args:
        values: scores of each algorithm, shape (runs, times); NaN, no incumbent yet, is worse than any score and ties
            with itself.
    """
    from scipy import stats  # slow to import

    known = [np.where(np.isnan(of_runs), -np.inf, of_runs) for of_runs in values]
    ranks = np.ones((len(known), known[0].shape[1]))
    for i, j in combinations(range(len(known)), 2):
        runs = len(known[i])
        pooled = stats.rankdata(np.concatenate([known[i], known[j]]), axis=0)[:runs].sum(axis=0)
        better = (pooled - runs * (runs + 1) / 2) / (runs * len(known[j]))
        ranks[i] += 1 - better
        ranks[j] += better
    return ranks
