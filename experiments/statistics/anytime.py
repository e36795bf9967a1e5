"""Anytime performance: time and evaluations until a target is reached, and the score averaged over the search.

Pure functions of records. Searchers see only validation scores; the final score of an incumbent (`Runs.final`), by
which a run reaches a target here, is looked up afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.records.runs import Floats, Runs
from experiments.statistics.aggregates import incumbents

LADDER = (10.0, 5.0, 2.0, 1.0, 0.5, 0.1)
"""Distances from the best architecture's score, of which COUNT consecutive ones become targets; percentage points, or
multiples of a suitable power of ten for other units."""
COUNT = 3
ROUNDING = 1e-9
"""Distance by which a score may miss a target and still reach it, to allow for rounding."""


@dataclass(frozen=True)
class Reached:
    """The times at which runs first had an incumbent at least as good as a target; arrays of shape (runs,).

    A run that never had one is right-censored: it needs more than it was observed for.
    """

    reached: NDArray[np.bool_]
    seconds: Floats
    """Seconds of the search until the target was reached. For a run that did not reach it, seconds until all runs have
    ended, since it keeps its incumbent."""
    evaluations: Floats
    """Number of trials until the target was reached, including the one that reached it."""

    @property
    def fraction(self) -> float:
        """Fraction of runs that reached the target."""
        return float(self.reached.mean())


def reach(runs: Runs, target: float, end: float) -> Reached:
    """The times at which the final score of each run's incumbent first was at least `target`; later ones may be worse.

    Args:
        end: seconds at which searches end. A run whose last evaluation crosses it ends with that evaluation.
    """
    row = np.flatnonzero(runs.incumbent & (runs.final >= target - ROUNDING))
    run = np.searchsorted(runs.first, row, side="right") - 1
    hit, where = np.unique(run, return_index=True)  # the first one of each run
    reached = np.zeros(len(runs), np.bool_)
    reached[hit] = True
    seconds = np.full(len(runs), max(end, runs.elapsed.max()))
    seconds[hit] = runs.elapsed[row[where]]
    evaluations = runs.evaluations.astype(float)
    evaluations[hit] = runs.order[row[where]]
    return Reached(reached, seconds, evaluations)


def within_reach(best_share: Callable[[float], float]) -> tuple[float, ...]:
    """COUNT consecutive steps of LADDER, starting with the hardest within reach, or earlier if too few follow it.

    Args:
        best_share: step -> fraction of runs that reach it, for the best algorithm on the hardest data set. A step is
            within reach if half of the runs reach it.
    """
    reached = [i for i, points in enumerate(LADDER) if best_share(points) >= 0.5]
    first = min(max(reached, default=0), len(LADDER) - COUNT)
    return LADDER[first : first + COUNT]


def reached_by(amount: Floats, reached: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """(amounts, fraction of runs that need at most that amount): the Kaplan-Meier estimate, a step function.

    Args:
        amount: seconds or evaluations of each run, shape (runs,).
        reached: whether the run reached the target at that amount; otherwise it is censored there.
    """
    from scipy import stats  # slow to import

    data = stats.CensoredData.right_censored(amount, ~reached)
    estimate = stats.ecdf(data).cdf
    return np.asarray(estimate.quantiles, float), np.asarray(estimate.probabilities, float)


def median_needed(amount: Floats, reached: NDArray[np.bool_]) -> float:
    """The smallest amount at which half of the runs have reached the target, by `reached_by`; NaN if unknown."""
    amounts, fraction = reached_by(amount, reached)
    enough = np.flatnonzero(fraction >= 0.5 - ROUNDING)
    return float(amounts[enough[0]]) if len(enough) else float("nan")


def mean_over_time(runs: Runs, end: float) -> Floats:
    """Final score of each run's incumbent, averaged from 0 to `end`; shape (runs,), NaN for a run without an incumbent.

    The exact mean of the step function. Before its first incumbent a run counts with that one, since an architecture
    can be named without evaluating it; evaluations after `end` do not count.
    """
    points = incumbents(runs)
    begin = np.minimum(points.elapsed, end)
    answered = points.sizes > 0
    begin[points.first[:-1][answered]] = 0
    until = np.append(begin[1:], end)
    until[points.first[1:][answered] - 1] = end
    run = np.repeat(np.arange(len(runs)), points.sizes)
    mean = np.bincount(run, points.final * (until - begin), minlength=len(runs)) / end
    return np.where(answered, mean, np.nan)
