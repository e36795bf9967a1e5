"""Construction of the sweep of a study, with rungs, scheduler and search algorithm that fit together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmarks.errors import InputError
from experiments.records.headers import Objective
from experiments.sweeps.evaluator import rungs_to
from experiments.sweeps.tune import Scheduler, SearchAlgorithm, Sweep, evaluator_for

if TYPE_CHECKING:
    from experiments.studies.table_study import TableStudy
    from experiments.studies.weight_sharing_study import WeightSharingStudy


def planned_sweep(
    study: TableStudy | WeightSharingStudy, objective: Objective, tuned: Mapping[str, Any], *,
    search: SearchAlgorithm, scheduler: Scheduler | None, trials: int, last: int, first: int | None,
) -> Sweep:  # fmt: skip
    """A sweep over the options of a study's only algorithm.

    Args:
        tuned: knob -> its domain, as `tuned_knobs` returns it.
        scheduler: None for the default: asha, or the brackets of Hyperband if the search is bohb.
        trials: number of configurations.
        last: runs or epochs of the best configurations.
        first: runs or epochs after which configurations are first compared; None for a ninth of `last`.

    Raises:
        InputError: search, scheduler and first rung do not fit together.
    """
    if search == "bohb" and scheduler:
        raise InputError("--search bohb has Hyperband's brackets: leave --scheduler out")
    chosen: Scheduler = "hyperband" if search == "bohb" else scheduler or "asha"
    if chosen == "none" and first is not None:
        raise InputError("--scheduler none compares configurations at the end only: leave --first-rung out")
    return Sweep(
        evaluator=evaluator_for(study, next(iter(study.algorithms)), objective),
        tuned=tuned,
        rungs=(last,) if chosen == "none" else rungs_to(last, first),
        search=search,
        scheduler=chosen,
        trials=trials,
    )
