"""The searches reach the accuracy that independent simulations of the reference scripts reach on the real table."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.execution.resources import Resources
from experiments.records.budgets import Budget
from experiments.records.runs import runs_by_group
from experiments.statistics.aggregates import final
from experiments.studies.runner import run_study
from experiments.studies.table_study import TableStudy
from experiments.tables.importing import import_benchmark
from nas_algos.multi_trial import ALGORITHMS

# 500 runs each on CIFAR-10, seed-mean validation, charged training seconds only: test accuracy of the final answer.
REFERENCE = {
    12_000: {"random_search": (93.77, 0.33), "regularized_ea": (93.95, 0.36), "reinforce": (93.80, 0.31)},
    20_000: {"random_search": (93.86, 0.27), "regularized_ea": (94.08, 0.26), "reinforce": (93.92, 0.25)},
}
STD_TOLERANCE = {12_000: 0.08, 20_000: 0.05}  # a few very poor answers make up most of the spread of short searches
EVALUATIONS = {"random_search": 182.8, "regularized_ea": 168.6, "reinforce": 176.4}  # at 20,000 s


@pytest.mark.parametrize("budget", list(REFERENCE))
def test_500_runs_of_each_reach_the_reference(budget: int, shared_data: Path, tmp_path: Path) -> None:
    table = import_benchmark(shared_data / "nasbench201_accuracies.csv", tmp_path, progress=lambda *_: None)
    study = TableStudy(
        table,
        algorithms={name: ALGORITHMS[name].Config() for name in REFERENCE[budget]},
        budgets={"cifar10": Budget(budget)},
        runs=500,
        seed=0,
        cost_model="train_only",
        seed_policy="mean",
    )
    groups = runs_by_group(run_study(study, tmp_path / "study", Resources(0), lambda *_: None).trials())
    for name, (mean, std) in REFERENCE[budget].items():
        found = final(groups[name, "cifar10"])
        assert found.runs == 500
        assert float(found.test.mean) == pytest.approx(mean, abs=0.05)
        assert float(found.test.std) == pytest.approx(std, abs=STD_TOLERANCE[budget])
        if budget == 20_000:
            assert found.evaluations == pytest.approx(EVALUATIONS[name], rel=0.02)
