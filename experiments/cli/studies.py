"""From parsed options to the studies that nas-run and nas-sweep run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from experiments.cli.config_options import given_options
from experiments.cli.option_groups import RECIPE, training_options
from experiments.execution.resources import ResourceRequest, Resources
from experiments.studies.evaluation_request import EvaluationRequest
from experiments.studies.requests import StudyRequest, table_study, training_study, weight_sharing_study

if TYPE_CHECKING:
    from experiments.studies.table_study import TableStudy
    from experiments.studies.training_study import TrainingStudy
    from experiments.studies.weight_sharing_study import WeightSharingStudy
    from nas_algos.config import Config


def evaluation_request(given: argparse.Namespace) -> EvaluationRequest:
    """The evaluation options."""
    return EvaluationRequest(**given_options(EvaluationRequest, given))


def resource_request(given: argparse.Namespace) -> ResourceRequest:
    """The options of workers and devices."""
    return ResourceRequest(**given_options(ResourceRequest, given))


def study_request(given: argparse.Namespace, algorithms: Mapping[str, Config], *, runs: int, seed: int) -> StudyRequest:
    """The part of a request that studies of all kinds share."""
    return StudyRequest(
        space=given.space,
        algorithms=algorithms,
        datasets=given.dataset or (),
        table=given.table,
        runs=runs,
        seed=seed,
    )


def study_on_table(given: argparse.Namespace, request: StudyRequest) -> TableStudy:
    """The study on the requested table, or on the usual one; print what was chosen for want of an option."""
    from experiments.cli.console import progress_bar
    from experiments.tables.store import embedded, find_table

    with progress_bar() as progress:
        table = find_table(request.space, request.table, request.datasets, progress=progress)
    if request.table is None and table.path in embedded():
        name, datasets = table.info.name, ", ".join(table.info.tasks)
        print(f"no table given: searching {name}, which comes with nas-algos ({datasets}; see nas-bench info {name})")
    evaluation = evaluation_request(given)
    study = table_study(request, evaluation, table)
    budget = next(iter(study.budgets.values()))
    if evaluation.requested_budget() is None and budget.unit == "evaluations":
        print(f"{table.info.name} has no evaluation times: each run has {budget} (--evaluations N)")
    return study


def study_by_training(given: argparse.Namespace, request: StudyRequest, resources: Resources) -> TrainingStudy:
    """The study that trains architectures."""
    return training_study(request, evaluation_request(given), training_options(given, prefix=RECIPE), resources)


def study_by_weight_sharing(given: argparse.Namespace, request: StudyRequest, device: str) -> WeightSharingStudy:
    """The study of weight-sharing methods; print why it looks nothing up in a table, if it does not."""
    from experiments.cli.console import progress_bar

    options, threads = training_options(given, prefix=RECIPE), 1 if given.threads is None else given.threads
    with progress_bar() as progress:
        study, reason = weight_sharing_study(request, options, threads=threads, device=device, progress=progress)
    if reason:
        print(f"the architectures found are not looked up: {reason}")
    return study
