"""Comparison of the rankings of architectures by shared weights and by stand-alone training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.spaces import space_named
from benchmarks.table import BenchmarkTable
from experiments.execution.progress import Progress
from experiments.factory.defaults import TrainingOptions
from experiments.factory.images import Images
from experiments.records.headers import WeightSharingSettings
from experiments.records.runs import Group
from experiments.records.study import ONE_SHOT_SCHEMA, StudyRecords
from experiments.statistics.weight_sharing import OneShotRanking, one_shot_rankings
from experiments.storage.directories import RecordError
from experiments.studies.jobs import Job, split_into_jobs
from experiments.studies.weight_sharing_study import WeightSharingStudy, resume_from
from experiments.tables.oracles import oracle_of
from experiments.tables.store import find_table
from supernets.training.devices import threads


def data_of(
    directory: Path, wanted: str | None, options: TrainingOptions, progress: Progress
) -> tuple[BenchmarkTable, Images]:
    """The table and the images with which `one_shot` evaluates the study in a directory.

    Args:
        wanted: a table or a file as in `find_table`; None for the usual table of the study's data set.
        options: where the images are, and how they are split.
        progress: called during the import of a table.

    Raises:
        RecordError: the directory holds no study of weight-sharing methods.
        MissingTableError: there is no table of the data set.
    """
    settings = _settings(StudyRecords(directory))
    table = find_table(settings.space, wanted, settings.datasets, progress=progress)
    return table, options.images_of(settings.images.dataset if settings.images else "digits")


def one_shot(
    directory: Path,
    table: BenchmarkTable,
    images: Images,
    count: int,
    seed: int,
    progress: Progress,
    device: str = "cpu",
) -> dict[Group, list[OneShotRanking]]:
    """Evaluate the same `count` random architectures with the shared weights of each finished run of a study.

    The result is kept in the study's directory and replaces an earlier one.

    Args:
        table: a table of the study's data set; architectures are drawn from those that it has measured.
        images: the images of the study.
        seed: seed of the random architectures.

    Raises:
        RecordError: the directory holds no study of weight-sharing methods, or no finished run.
        InputError: the table has measured fewer architectures, or the images are not those of the study.
    """
    if count < 2 or seed < 0:
        raise InputError(
            f"a rank correlation needs at least 2 architectures, and the seed is not negative; got {count}, {seed}"
        )
    records = StudyRecords(directory)
    settings = _settings(records)
    if images.task().facts() != settings.images:
        raise InputError(f"these images are not those of {directory}: use its --data-dir and --split-seed")
    finished = sorted(records.finished())
    if not finished:
        raise RecordError(f"{directory} holds no finished run yet: repeat its nas-run command to resume it")
    (dataset,) = settings.datasets
    drawn, trained = _drawn(table, dataset, count, seed)
    study = WeightSharingStudy.recorded(settings, images, device)
    compared = []
    for job in split_into_jobs(study.algorithms, [dataset], study.runs, 1):
        if job.name in finished:
            shared = _accuracies(study, records, job, drawn, progress)
            run = [[fact] * count for fact in (job.algorithm, job.dataset, job.first)]
            compared.append(pa.table([*run, drawn, shared, trained], schema=ONE_SHOT_SCHEMA))
    rows = pa.concat_tables(compared)
    records.write_one_shot(rows)
    return one_shot_rankings(rows)


def _drawn(table: BenchmarkTable, dataset: str, count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """`count` random architectures that a table has measured, and their validation scores after training."""
    trained = oracle_of(table.path, dataset).final_validation
    measured = np.flatnonzero(~np.isnan(trained))
    if len(measured) < count:
        raise InputError(f"{table.info.name} has measured {len(measured)} architectures, {count} were requested")
    drawn = np.sort(np.random.default_rng(seed).choice(measured, count, replace=False))
    return drawn, trained[drawn]


def _settings(records: StudyRecords) -> WeightSharingSettings:
    settings = records.header().settings
    if not isinstance(settings, WeightSharingSettings):
        raise RecordError(f"{records.path} is not a study of weight-sharing methods: name the --out directory of one")
    return settings


def _accuracies(
    study: WeightSharingStudy,
    records: StudyRecords,
    job: Job,
    drawn: NDArray[np.int64],
    progress: Progress,
) -> NDArray[np.float64]:
    """The validation accuracies with the shared weights of a run in percent, shape (architectures,)."""
    space, search = space_named(study.space), study.search(job.algorithm, job.first)
    resume_from(records.checkpoints_path / f"{job.name}.pt", search)
    what = f"{job.algorithm}, run {job.first + 1} of {study.runs}"
    accuracies = []
    with threads(study.threads):
        for done, index in enumerate(drawn, start=1):
            accuracies += search.one_shot([space.arch(int(index))])
            progress(what, done, len(drawn))
    return np.array(accuracies)
