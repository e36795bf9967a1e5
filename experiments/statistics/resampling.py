"""Trajectories on a common axis: the final score of each run's incumbent at given times.

Pure functions without files or figures. Times are seconds or evaluations, as in `Trajectories.elapsed`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from experiments.records.runs import Floats, Runs
from experiments.statistics.aggregates import (
    INTERPOLATIONS,
    MOST_VALUES,
    Interpolation,
    Trajectories,
    incumbents,
    incumbents_at_every_trial,
)

TICKETS = 150
"""Grid points of the published curves: `vis-nats-bench-algos.py` of AutoDL-Projects."""


def resample_step(trajectories: Trajectories, times: Floats) -> Floats:
    """The score of the last incumbent at or before each time, shape (runs, times); NaN before the first incumbent.

    Args:
        times: ascending. A run that ended earlier keeps its last incumbent.
    """
    seen = _count(trajectories, times, including_equal=True)
    position = np.where(seen > 0, trajectories.first[:-1, None] + seen - 1, -1)
    values: Floats = np.append(trajectories.final, np.nan)[position]
    return values


def nats_tickets(budget: float) -> Floats:
    """The grid of the published curves: i / 150 x budget for i = 0, ..., 149."""
    return np.arange(TICKETS) / TICKETS * budget


def resample_nats(trajectories: Trajectories, times: Floats) -> Floats:
    """The score by the rule of the published NATS-Bench curves, shape (runs, times).

    `vis-nats-bench-algos.py` of AutoDL-Projects takes the two points A and B of a run whose times T_A and T_B are
    nearest to t (the earlier point if two are equally near); the value is
    (T_B - t) / (T_B - T_A) A + (t - T_A) / (T_B - T_A) B. Both points may lie on one side of t. The rule therefore also
    extrapolates: before the first point, after the last, and wherever trials are unevenly spaced.

    Departures in cases where the script divides by zero or runs out of points: of several points of a run at the same
    time, only the last counts; a run with one point has its value throughout; a run without points is NaN.

    Args:
        trajectories: with a point for every trial, from `incumbents_at_every_trial`.
        times: ascending.
    """
    points = _without_repeated_times(trajectories)
    sizes = points.sizes[:, None]
    k = _count(points, times, including_equal=False)  # point k of a run is its first at or after t

    def at(values: Floats, point: NDArray[np.int64], outside: float) -> Floats:
        inside = (point >= 0) & (point < sizes)
        found: Floats = np.append(values, outside)[np.where(inside, points.first[:-1, None] + point, -1)]
        return found

    def distance(point: NDArray[np.int64]) -> Floats:
        return np.abs(at(points.elapsed, point, np.inf) - times)

    # The two nearest are neighbours: (k - 2, k - 1), (k - 1, k) or (k, k + 1).
    a = k - 1 - (distance(k - 2) <= distance(k)) + (distance(k + 1) < distance(k - 1))
    a = np.where(sizes >= 2, a, 0)
    time_a, time_b = at(points.elapsed, a, np.nan), at(points.elapsed, a + 1, np.nan)
    score_a, score_b = at(points.final, a, np.nan), at(points.final, a + 1, np.nan)
    line = (time_b - times) / (time_b - time_a) * score_a + (times - time_a) / (time_b - time_a) * score_b
    values: Floats = np.where(sizes == 1, score_a, line)
    return values


def _without_repeated_times(points: Trajectories) -> Trajectories:
    """Keep only the last of several points of a run at the same time."""
    kept = np.append(np.diff(points.elapsed) != 0, True)[: len(points.elapsed)]
    kept[points.first[1:][points.sizes > 0] - 1] = True  # the next point belongs to another run
    first = np.append(0, np.cumsum(kept))[points.first]
    return Trajectories(first, points.elapsed[kept], points.architecture[kept], points.final[kept])


def _count(points: Trajectories, times: Floats, *, including_equal: bool) -> NDArray[np.int64]:
    """The number of points of each run before each time, optionally including it; shape (runs, times)."""
    seen_from = np.searchsorted(times, points.elapsed, side="left" if including_equal else "right")
    runs, columns = len(points.sizes), len(times) + 1  # the last column: after every time
    cell = np.repeat(np.arange(runs), points.sizes) * columns + seen_from
    new = np.bincount(cell, minlength=runs * columns).reshape(runs, columns)
    counts: NDArray[np.int64] = np.cumsum(new[:, :-1], axis=1)
    return counts


def curve_times(budget: float, interpolation: Interpolation) -> Floats:
    """Ascending times at which curves up to `budget` are computed, dense on linear and logarithmic axes."""
    if interpolation == "nats":
        return nats_tickets(budget)
    return np.union1d(np.linspace(0, budget, 301), np.geomspace(budget / 1000, budget, 200))


def resample(runs: Runs, times: Floats, interpolation: Interpolation) -> Floats:
    """The scores of the incumbents at the ascending `times`, shape (runs, times)."""
    if interpolation == "step":
        return resample_step(incumbents(runs), times)
    if interpolation == "nats":
        return resample_nats(incumbents_at_every_trial(runs), times)
    raise ValueError(f"an interpolation is one of {', '.join(INTERPOLATIONS)}, got {interpolation!r}")


def blocks(times: Floats, runs: int) -> list[Floats]:
    """Split times into parts of at most MOST_VALUES values over all runs; one part unless there are very many runs."""
    return np.array_split(times, -(-len(times) // max(1, MOST_VALUES // runs)))
