"""Studies as they are asked for: what is left open is filled in from the table, the preset or the data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.errors import InputError
from benchmarks.oracle import Oracle
from benchmarks.outcomes import Fidelity
from experiments.execution.progress import Progress
from experiments.execution.resources import Resources
from experiments.factory.defaults import TrainingOptions
from experiments.records.budgets import Budget
from experiments.studies.evaluation_request import EVALUATIONS, EvaluationRequest
from nas_algos.config import Config

if TYPE_CHECKING:
    from benchmarks.table import BenchmarkTable
    from experiments.studies.table_study import TableStudy
    from experiments.studies.training_study import TrainingStudy
    from experiments.studies.weight_sharing_study import WeightSharingStudy


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """The part of a request that studies of all kinds share."""

    space: str
    algorithms: Mapping[str, Config]
    """All multi-trial algorithms, or all weight-sharing methods."""
    datasets: Sequence[str] = ()
    """Empty for the table's first data set, or for digits in studies that train networks."""
    table: str | None = None
    """Name of a table, or a file, as `find_table` takes it; None for the usual one."""
    runs: int = 1
    seed: int = 0

    def trained_dataset(self, what: str) -> str:
        """The one data set of a study that trains networks; InputError naming `what` if there are several."""
        if len(self.datasets) > 1:
            raise InputError(f"{what} one data set, got {', '.join(self.datasets)}: start a study of each")
        return self.datasets[0] if self.datasets else "digits"


def table_study(request: StudyRequest, evaluation: EvaluationRequest, table: BenchmarkTable) -> TableStudy:
    """A study on a table.

    Raises:
        InputError: a data set is unknown or given twice, or `crossing` does not apply to the budget.
        TableError: the default budget is in seconds, and the table has no times.
    """
    from experiments.studies.table_study import TableStudy

    protocol = evaluation.protocol
    budgets = _budgets(request, evaluation, table)
    return TableStudy(
        table=table.path,
        algorithms=request.algorithms,
        budgets=budgets,
        runs=request.runs,
        seed=request.seed,
        cost_model=evaluation.cost_model or protocol.cost_model,
        seed_policy=_seed_policy(evaluation, table),
        schedule=evaluation.schedule,
        crossing=evaluation.crossing_of(next(iter(budgets.values()))),
        cache=evaluation.cache,
        simulated_workers=1 if evaluation.simulated_workers is None else evaluation.simulated_workers,
        incumbent=evaluation.incumbent or protocol.incumbent,
        preset=evaluation.preset,
    )


def training_study(
    request: StudyRequest, evaluation: EvaluationRequest, options: TrainingOptions, resources: Resources
) -> TrainingStudy:
    """A study that trains the proposed architectures.

    Raises:
        InputError: the budget or the schedule is missing, or an option does not apply.
    """
    if request.table:
        raise InputError("--table is for evaluations that are looked up: leave it out, or --evaluate train")
    budget = evaluation.requested_budget()
    if budget is None:
        raise InputError(
            "a search that trains architectures has no default budget: give --budget SECONDS, which are measured, or "
            "--evaluations N"
        )
    if evaluation.schedule is None:
        raise InputError("a search that trains architectures has no default length of training: give --schedule EPOCHS")
    dataset = request.trained_dataset("--evaluate train takes")
    from experiments.factory.factory import build_header
    from experiments.studies.training_study import TrainingStudy

    images, scale, recipe = (
        options.images_of(dataset),
        options.scale_of(request.space, dataset),
        options.recipe_of(dataset),
    )
    build = build_header(request.space, images, scale, recipe, canonical=False, device=resources.device)
    return TrainingStudy(
        build,
        images,
        algorithms=request.algorithms,
        budgets={build.dataset: budget},
        runs=request.runs,
        seed=request.seed,
        cost_model=evaluation.cost_model or evaluation.protocol.cost_model,
        seed_policy=evaluation.seed_policy or "fixed:0",
        schedule=evaluation.schedule,
        crossing=evaluation.crossing_of(budget),
        cache=evaluation.cache,
        simulated_workers=_simulated_workers(evaluation, resources.workers),
        incumbent=evaluation.incumbent or evaluation.protocol.incumbent,
        preset=evaluation.preset,
    )


def weight_sharing_study(
    request: StudyRequest, options: TrainingOptions, *, threads: int, device: str, progress: Progress
) -> tuple[WeightSharingStudy, str | None]:
    """(a study by weight sharing, None), or (the study, why it does not look the architectures found up in a table).

    Args:
        threads: CPU threads of each run.
        progress: called during the import of a table.

    Raises:
        MissingTableError: there is no table of the requested name.
        OtherTableError: the requested table was measured on other images or networks.
        InputError: the study cannot be run.
    """
    from experiments.studies.found_architectures import searched_images, table_of_images, with_table_that_fits
    from experiments.studies.weight_sharing_study import WeightSharingStudy
    from nas_algos.weight_sharing.configs import MethodConfig

    images = searched_images(request.trained_dataset("weight-sharing methods take"))
    table, dataset = table_of_images(request.space, request.table, images, progress)
    study = WeightSharingStudy(
        space=request.space,
        algorithms={name: config for name, config in request.algorithms.items() if isinstance(config, MethodConfig)},
        dataset=dataset,
        images=options.images_of(images),
        scale=options.scale_of(request.space, dataset),
        runs=request.runs,
        seed=request.seed,
        threads=threads,
        device=device,
        table=table,
    )
    reason = None if table else f"no table of {study.space} has {study.dataset}"
    if table and request.table is None:
        study, reason = with_table_that_fits(study)
    study.check()
    return study, reason


def _budgets(request: StudyRequest, evaluation: EvaluationRequest, table: BenchmarkTable) -> dict[str, Budget]:
    """Data set -> the requested budget, else the published one, else the usual one."""
    datasets = list(request.datasets or list(table.info.tasks)[:1])
    for dataset in datasets:
        table.task(dataset)  # raises on an unknown name
        if datasets.count(dataset) > 1:
            raise InputError(f"the data set {dataset} is given {datasets.count(dataset)} times")
    requested = evaluation.requested_budget()
    if requested is None and not evaluation.preset and _lacks_times(evaluation, table, datasets):
        requested = Budget(EVALUATIONS, "evaluations")
    if requested is not None:
        return dict.fromkeys(datasets, requested)
    published = evaluation.protocol.budgets
    return {
        dataset: Budget(published.get((request.space, dataset)) or _usual_seconds(evaluation, table, dataset))
        for dataset in datasets
    }


def _seed_policy(evaluation: EvaluationRequest, table: BenchmarkTable) -> str:
    """The requested policy, else the preset's, else `mean` for a table that holds nothing but means."""
    if evaluation.seed_policy or evaluation.preset:
        return evaluation.seed_policy or evaluation.protocol.seed_policy
    only_means = all(column.seeds == ("mean",) for column in table.columns.values())
    return "mean" if only_means else evaluation.protocol.seed_policy


def _lacks_times(evaluation: EvaluationRequest, table: BenchmarkTable, datasets: Sequence[str]) -> bool:
    """Whether evaluations on any of the data sets have no times."""
    oracles = (Oracle(table, dataset) for dataset in datasets)
    return not all(oracle.costs.is_timed(evaluation.schedule or oracle.task.search_schedule) for oracle in oracles)


def _usual_seconds(evaluation: EvaluationRequest, table: BenchmarkTable, dataset: str) -> float:
    """Simulated seconds, to two digits, of about as many evaluations as the published budgets allow."""
    cost_model = evaluation.cost_model or evaluation.protocol.cost_model
    oracle = Oracle(table, dataset, cost_model=cost_model, seed_policy=_seed_policy(evaluation, table))
    schedule = evaluation.schedule or oracle.task.search_schedule
    oracle.costs.require_times(schedule)
    seconds = EVALUATIONS * oracle.mean_seconds(Fidelity(schedule, oracle.epochs(schedule)[-1]))
    return float(f"{seconds:.2g}")


def _simulated_workers(evaluation: EvaluationRequest, workers: int) -> int:
    """The requested number of open trials, else one per worker; InputError if they cannot keep all workers busy."""
    simulated = workers or 1 if evaluation.simulated_workers is None else evaluation.simulated_workers
    if workers > simulated:
        raise InputError(
            f"a search with {simulated} open evaluations at a time keeps no {workers} workers busy: give "
            f"--workers {simulated} at most, or a larger --simulated-workers"
        )
    return simulated
