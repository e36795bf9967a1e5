"""The study on a table that the command line asks for."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmarks.errors import InputError
from benchmarks.oracle import Oracle
from benchmarks.outcomes import Fidelity
from experiments.studies.presets import PRESETS, Preset

if TYPE_CHECKING:
    from benchmarks.table import BenchmarkTable
    from experiments.studies.table_study import TableStudy
    from nas_algos.config import Config


ORDINARY = Preset("the defaults", PRESETS["nats-paper"].budgets)
"""What holds where neither an option nor a preset says otherwise."""


EVALUATIONS = 200
"""At the highest fidelity, of average cost, in a budget where none is published."""


def study_on_table(given: argparse.Namespace, algorithms: Mapping[str, Config], preset: Preset) -> TableStudy:
    """The study that is asked for, on the table that is asked for or found."""
    from experiments.cli.console import progress_bar
    from experiments.tables.store import embedded, find_table

    with progress_bar() as progress:
        table = find_table(given.space, given.table, given.dataset or (), progress=progress)
    if given.table is None and table.path in embedded():
        name, datasets = table.info.name, ", ".join(table.info.tasks)
        print(f"no table given: searching {name}, which comes with nas-algos ({datasets}; see nas-bench info {name})")
    return _study(given, algorithms, preset, table)


def _study(
    given: argparse.Namespace, algorithms: Mapping[str, Config], preset: Preset, table: BenchmarkTable
) -> TableStudy:
    from experiments.studies.table_study import TableStudy

    return TableStudy(
        table=table.path,
        algorithms=algorithms,
        budgets=_budgets(given, preset, table),
        runs=given.runs,
        seed=given.seed,
        cost_model=given.cost_model or preset.cost_model,
        seed_policy=given.seed_policy or preset.seed_policy,
        schedule=given.schedule,
        crossing=given.crossing or preset.crossing,
        cache=given.cache,
        simulated_workers=1 if given.simulated_workers is None else given.simulated_workers,
        incumbent=given.incumbent or preset.incumbent,
        preset=given.preset,
    )


def _budgets(given: argparse.Namespace, preset: Preset, table: BenchmarkTable) -> dict[str, float]:
    """Data set -> simulated seconds."""
    datasets = given.dataset or list(table.info.tasks)[:1]
    for dataset in datasets:
        table.task(dataset)  # raises on an unknown name
        if datasets.count(dataset) > 1:
            raise InputError(f"the data set {dataset} is given {datasets.count(dataset)} times")
    if given.budget is not None:
        return dict.fromkeys(datasets, given.budget)
    return {
        dataset: preset.budgets.get((given.space, dataset)) or _usual_budget(given, preset, table, dataset)
        for dataset in datasets
    }


def _usual_budget(given: argparse.Namespace, preset: Preset, table: BenchmarkTable, dataset: str) -> float:
    """Simulated seconds of about as many evaluations as the published budgets allow, where none is published."""
    cost_model, seed_policy = given.cost_model or preset.cost_model, given.seed_policy or preset.seed_policy
    oracle = Oracle(table, dataset, cost_model=cost_model, seed_policy=seed_policy)
    schedule = given.schedule or oracle.task.search_schedule
    seconds = EVALUATIONS * oracle.mean_seconds(Fidelity(schedule, oracle.epochs(schedule)[-1]))
    return float(f"{seconds:.2g}")
