"""The study on a table that the command line asks for."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.errors import InputError
from benchmarks.oracle import Oracle
from benchmarks.outcomes import Fidelity
from experiments.cli.budget_request import crossing_of, requested_budget
from experiments.records.budgets import Budget
from experiments.studies.presets import PRESETS, Preset

if TYPE_CHECKING:
    from benchmarks.table import BenchmarkTable
    from experiments.studies.table_study import TableStudy
    from nas_algos.config import Config


ORDINARY = Preset("the defaults", PRESETS["nats-paper"].budgets)
"""What holds where neither an option nor a preset says otherwise."""


EVALUATIONS = 200
"""Evaluations of a run where no budget is given or published: so many, or the seconds that they take on average."""


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

    budgets = _budgets(given, preset, table)
    return TableStudy(
        table=table.path,
        algorithms=algorithms,
        budgets=budgets,
        runs=given.runs,
        seed=given.seed,
        cost_model=given.cost_model or preset.cost_model,
        seed_policy=_seed_policy(given, preset, table),
        schedule=given.schedule,
        crossing=crossing_of(given, preset, next(iter(budgets.values()))),
        cache=bool(given.cache),
        simulated_workers=1 if given.simulated_workers is None else given.simulated_workers,
        incumbent=given.incumbent or preset.incumbent,
        preset=given.preset,
    )


def _budgets(given: argparse.Namespace, preset: Preset, table: BenchmarkTable) -> dict[str, Budget]:
    """Data set -> what is asked for, or else published, or else usual."""
    datasets = given.dataset or list(table.info.tasks)[:1]
    for dataset in datasets:
        table.task(dataset)  # raises on an unknown name
        if datasets.count(dataset) > 1:
            raise InputError(f"the data set {dataset} is given {datasets.count(dataset)} times")
    requested = requested_budget(given)
    if requested is None and not given.preset and _lacks_times(given, table, datasets):
        print(f"{table.info.name} has no times of evaluations: each run has {EVALUATIONS} of them (--evaluations N)")
        requested = Budget(EVALUATIONS, "evaluations")
    if requested is not None:
        return dict.fromkeys(datasets, requested)
    return {
        dataset: Budget(preset.budgets.get((given.space, dataset)) or _usual_seconds(given, preset, table, dataset))
        for dataset in datasets
    }


def _seed_policy(given: argparse.Namespace, preset: Preset, table: BenchmarkTable) -> str:
    """The policy that is asked for; by default the preset's, or `mean` where the table holds nothing but means."""
    if given.seed_policy or given.preset:
        return given.seed_policy or preset.seed_policy
    only_means = all(column.seeds == ("mean",) for column in table.columns.values())
    return "mean" if only_means else preset.seed_policy


def _lacks_times(given: argparse.Namespace, table: BenchmarkTable, datasets: Sequence[str]) -> bool:
    """Whether evaluations on any of the data sets have no times."""
    oracles = (Oracle(table, dataset) for dataset in datasets)
    return not all(oracle.costs.is_timed(given.schedule or oracle.task.search_schedule) for oracle in oracles)


def _usual_seconds(given: argparse.Namespace, preset: Preset, table: BenchmarkTable, dataset: str) -> float:
    """Simulated seconds of about as many evaluations as the published budgets allow, where none is published."""
    cost_model, seed_policy = given.cost_model or preset.cost_model, _seed_policy(given, preset, table)
    oracle = Oracle(table, dataset, cost_model=cost_model, seed_policy=seed_policy)
    schedule = given.schedule or oracle.task.search_schedule
    oracle.costs.require_times(schedule)
    seconds = EVALUATIONS * oracle.mean_seconds(Fidelity(schedule, oracle.epochs(schedule)[-1]))
    return float(f"{seconds:.2g}")
