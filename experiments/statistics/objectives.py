"""Objectives of sweeps, computed from recorded runs."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.errors import InputError
from benchmarks.metrics import Metric
from experiments.records.budgets import Budget
from experiments.records.headers import Objective
from experiments.records.runs import Floats, Runs
from experiments.statistics.aggregates import incumbents


def run_values(runs: Runs, objective: Objective, budget: Budget, metric: Metric) -> Floats:
    """The objective of each run, a score, shape (runs,); the worst score for a run without an incumbent.

    `final_validation` is the validation score of the run's final incumbent. `validation_area` is the validation score
    of the incumbent as a step function, averaged over the whole budget in its own unit. Before its first incumbent a
    run counts with the worst score.

    Raises:
        InputError: `validation_area` is requested for a metric without a worst value.
    """
    worst = metric.worst_score
    if objective == "validation_area" and not math.isfinite(worst):
        raise InputError(
            f"{metric.name} has no worst value for the time before the first incumbent: use --objective "
            "final_validation"
        )
    answers, scores = incumbents(runs), runs.score[runs.incumbent]
    spent = answers.elapsed if budget.unit == "seconds" else runs.order[runs.incumbent]
    values = np.full(len(runs), worst)
    for run, (first, stop) in enumerate(zip(answers.first[:-1], answers.first[1:], strict=True)):
        if first == stop:
            continue
        if objective == "final_validation":
            values[run] = scores[stop - 1]
        else:
            points = np.minimum(np.append(spent[first:stop], budget.amount), budget.amount)
            values[run] = worst * points[0] / budget.amount + scores[first:stop] @ np.diff(points) / budget.amount
    return values
