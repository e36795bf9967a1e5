"""A study whose architectures are trained instead of looked up in a table; its budget counts measured seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.outcomes import Fidelity
from benchmarks.spaces import Space, space_named
from experiments.execution.progress import Progress
from experiments.execution.resources import Resources
from experiments.factory.directory import BuildDirectory, BuildHeader
from experiments.factory.images import Images
from experiments.records.budgets import Budget
from experiments.records.headers import StudyHeader, TrainingSettings
from experiments.records.study import JobFiles, StudyRecords
from experiments.studies.jobs import Job
from experiments.studies.plan import Plan
from experiments.studies.rows import overhead_table, trials_table
from experiments.studies.search_loop import RunResult, search
from experiments.studies.trainer import trainer
from experiments.studies.training_oracle import TrainingEvents, TrainingOracle, epochs_of, training_seed
from experiments.studies.training_records import training_records


@dataclass(frozen=True)
class TrainingStudy(Plan):
    """A study by training. Equal studies with equal trainings give equal records."""

    build: BuildHeader
    """The header of the build of its trainings; its last maker is this machine."""
    images: Images
    """The location of the images on workers."""

    @property
    def runs_per_job(self) -> int:
        return 1

    @property
    def space(self) -> Space:
        return space_named(self.build.space)

    @property
    def training_seed(self) -> int:
        return training_seed(self.seed_policy)

    @property
    def fidelity(self) -> Fidelity:
        """The end of the schedule: the highest fidelity of the search, and the reporting fidelity."""
        schedule = self.schedule or ""
        return Fidelity(schedule, epochs_of(schedule)[-1])

    def check(self) -> None:
        """Raise InputError for an invalid schedule, seed policy, budget or option, or without validation images."""
        if "valid" not in self.build.images:
            raise InputError(
                f"{self.build.dataset} has no validation images to search with; choose another data set, "
                "cifar10-valid instead of cifar10"
            )
        self.clock(self.build.dataset)
        _ = self.training_seed
        for algorithm in self.algorithms:
            self.searcher_at(algorithm, self.space, self.fidelity, np.random.default_rng(0))

    def header(self) -> StudyHeader:
        build, maker = self.build, self.build.made_with[-1]
        settings = self.settings(
            TrainingSettings,
            space=build.space,
            images=build.image_facts,
            scale=build.scale,
            recipe=build.recipe,
            canonical=build.canonical,
            fidelity={build.dataset: self.fidelity},
            report_fidelity={build.dataset: self.fidelity},
        )
        versions = {**maker.versions, "hardware": maker.hardware}
        return StudyHeader(settings, {}, versions, maker.git_commit)

    def check_directory(self, records: StudyRecords) -> None:
        """Raise RecordError if the directory holds trainings of other networks or images."""
        BuildDirectory(records.evaluations_path).check(self.build)

    def execute(
        self, jobs: Sequence[Job], records: StudyRecords, resources: Resources, progress: Progress
    ) -> Iterator[tuple[Job, JobFiles]]:
        """Execute one run after the other; after an interruption, only unfinished trainings are repeated.

        Args:
            resources: workers that train.
        """
        if not jobs:
            return
        directory = BuildDirectory(records.evaluations_path)
        directory.begin(self.build)
        with training_records(directory) as kept, trainer(self.build, self.images, resources) as trains:
            oracle = TrainingOracle(self.space, self.training_seed, self.cost_model, kept, trains)
            for job in jobs:
                yield job, JobFiles.of(*run_job(self, job, oracle, progress))


def run_job(study: TrainingStudy, job: Job, oracle: TrainingOracle, progress: Progress) -> tuple[pa.Table, pa.Table]:
    """Execute a job, which is one run; return its (trials, overhead) tables."""
    clock = study.clock(job.dataset)
    tick = partial(_tick, progress, f"{job.algorithm}, run {job.first + 1} of {study.runs}", clock.budget)
    rng, _ = study.streams(job.algorithm, job.dataset, job.first)
    searcher = study.searcher_at(job.algorithm, study.space, study.fidelity, rng)
    result = search(searcher, TrainingEvents(oracle, clock.cache, tick), clock, study.incumbent)
    validation, test = _reported(study, result, oracle)
    return trials_table(job, study.space, [result], validation, test), overhead_table(job, [result])


def _tick(progress: Progress, run: str, budget: Budget, clock: float, ended: int, done: int) -> None:
    progress(f"{run}, {budget.unit}", min(budget.spent(clock, ended), budget.amount), budget.amount)
    progress("new trainings", done, math.inf)


def _reported(
    study: TrainingStudy, result: RunResult, oracle: TrainingOracle
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(validation, test) accuracies in percent by official index; NaN if this run did not train them to the end."""
    validation, test = (np.full(len(study.space), np.nan) for _ in range(2))
    for trial in result.trials:
        if trial.fidelity == study.fidelity:
            index = study.space.index(trial.arch)
            validation[index], test[index] = oracle.reported(trial.arch, trial.fidelity)
    return validation, test
