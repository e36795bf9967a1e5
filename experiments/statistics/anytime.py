"""How fast a search is: time and evaluations until a target is reached, and accuracy averaged over the time of it.

Pure functions of records. Searchers see validation scores only; the test accuracy that decides here whether a run has
reached a target is that of its answer, looked up afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.records.runs import Floats, Runs
from experiments.statistics.aggregates import incumbents

LADDER = (10.0, 5.0, 2.0, 1.0, 0.5, 0.1)
"""Percentage points below the best architecture's test accuracy, of which COUNT in a row are targets."""
COUNT = 3
ROUNDING = 1e-9
"""Percentage points by which an accuracy may miss a target that it equals but for rounding."""


@dataclass(frozen=True)
class Reached:
    """When runs first had an answer at least as good as a target; arrays of shape (runs,).

    A run that never had one is right-censored: it is known only that it takes longer than it was watched.
    """

    reached: NDArray[np.bool_]
    seconds: Floats
    """On the search's clock until then; of a run that did not reach it, until all have ended: it keeps its answer."""
    evaluations: Floats
    """Trials told by then, that one included."""

    @property
    def fraction(self) -> float:
        """Of the runs that reached it."""
        return float(self.reached.mean())


def reach(runs: Runs, target: float, end: float) -> Reached:
    """When each run's answer first had `target` percent test accuracy. A later answer may be worse again.

    Args:
        end: seconds at which searches end. A run whose last evaluation crosses it ends with that.
    """
    row = np.flatnonzero(runs.incumbent & (runs.test >= target - ROUNDING))
    run = np.searchsorted(runs.first, row, side="right") - 1
    hit, where = np.unique(run, return_index=True)  # the first of each run
    reached = np.zeros(len(runs), np.bool_)
    reached[hit] = True
    seconds = np.full(len(runs), max(end, runs.elapsed.max()))
    seconds[hit] = runs.elapsed[row[where]]
    evaluations = runs.evaluations.astype(float)
    evaluations[hit] = runs.order[row[where]]
    return Reached(reached, seconds, evaluations)


def within_reach(best_share: Callable[[float], float]) -> tuple[float, ...]:
    """COUNT steps of LADDER. The first is the hardest that is within reach, or one before if too few follow.

    Args:
        best_share: of a step, the fraction of runs that reached it, of the best algorithm on the worst data set; half
            is enough.
    """
    reached = [i for i, points in enumerate(LADDER) if best_share(points) >= 0.5]
    first = min(max(reached, default=0), len(LADDER) - COUNT)
    return LADDER[first : first + COUNT]


def reached_by(amount: Floats, reached: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """(amounts, fraction of runs that need at most so much): the estimate of Kaplan and Meier, a step function.

    Args:
        amount: seconds or evaluations of each run, shape (runs,).
        reached: whether the run had reached the target then; otherwise it was watched no longer.
    """
    from scipy import stats  # slow to import

    data = stats.CensoredData.right_censored(amount, ~reached)
    estimate = stats.ecdf(data).cdf
    return np.asarray(estimate.quantiles, float), np.asarray(estimate.probabilities, float)


def median_needed(amount: Floats, reached: NDArray[np.bool_]) -> float:
    """The least amount with which half of the runs have reached the target, by `reached_by`; NaN if it is not known."""
    amounts, fraction = reached_by(amount, reached)
    enough = np.flatnonzero(fraction >= 0.5 - ROUNDING)
    return float(amounts[enough[0]]) if len(enough) else float("nan")


def mean_over_time(runs: Runs, end: float) -> Floats:
    """Test percent of each run's answer, averaged over seconds 0 to `end`; shape (runs,), NaN of one without an answer.

    The exact mean of the step function. Before its first answer a run counts with that answer, since a first
    architecture can be named without evaluating it; what is told after `end` does not count.
    """
    points = incumbents(runs)
    begin = np.minimum(points.elapsed, end)
    answered = points.sizes > 0
    begin[points.first[:-1][answered]] = 0
    until = np.append(begin[1:], end)
    until[points.first[1:][answered] - 1] = end
    run = np.repeat(np.arange(len(runs)), points.sizes)
    mean = np.bincount(run, points.test * (until - begin), minlength=len(runs)) / end
    return np.where(answered, mean, np.nan)
