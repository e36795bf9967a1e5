"""From a request to a sweep: which rungs, scheduler and search go together."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from experiments.sweeps.evaluator import rungs_to
from experiments.sweeps.request import SweepRequest, TunedAlgorithm
from experiments.sweeps.tune import Sweep, evaluator_for

if TYPE_CHECKING:
    from experiments.studies.table_study import TableStudy
    from experiments.studies.weight_sharing_study import WeightSharingStudy


def planned_sweep(study: TableStudy | WeightSharingStudy, algorithm: TunedAlgorithm, request: SweepRequest) -> Sweep:
    """A sweep over the options of a study's one algorithm.

    Raises:
        InputError: the first rung is out of range, the study has several algorithms, or the objective does not apply.
    """
    last = asdict(algorithm.base)["epochs"] if algorithm.shares_weights else study.runs
    scheduler = request.chosen_scheduler
    return Sweep(
        evaluator=evaluator_for(study, algorithm.key, request.objective),
        tuned=algorithm.domains,
        rungs=(last,) if scheduler == "none" else rungs_to(last, request.first_rung),
        search=request.search,
        scheduler=scheduler,
        trials=request.trials,
    )
