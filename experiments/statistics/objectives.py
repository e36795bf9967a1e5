"""Objectives of sweeps, computed from recorded runs."""

from __future__ import annotations

import numpy as np

from experiments.records.headers import Objective
from experiments.records.runs import Floats, Runs
from experiments.statistics.aggregates import incumbents


def run_values(runs: Runs, objective: Objective, budget: float) -> Floats:
    """The objective of each run, percent; 0 of one without an answer."""
    answers, scores = incumbents(runs), runs.score[runs.incumbent]
    values = np.zeros(len(runs))
    for run, (first, stop) in enumerate(zip(answers.first[:-1], answers.first[1:], strict=True)):
        if first == stop:
            continue
        if objective == "final_validation":
            values[run] = scores[stop - 1]
        else:
            times = np.minimum(np.append(answers.elapsed[first:stop], budget), budget)
            values[run] = scores[first:stop] @ np.diff(times) / budget
    return values
