"""A study of weight-sharing methods: each run trains one supernet; derived architectures are looked up in a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.errors import InputError, TableError
from benchmarks.oracle import Oracle
from benchmarks.spaces import Arch, space_named
from experiments.execution.calls import TORCH, Calls
from experiments.execution.progress import Progress
from experiments.execution.resources import Resources
from experiments.execution.tasks import run_tasks
from experiments.factory.images import Images
from experiments.records.headers import (
    Optimum,
    StudyHeader,
    TableIdentity,
    WeightSharingSettings,
    reporting_facts,
)
from experiments.records.study import EPOCHS_SCHEMA, OVERHEAD_SCHEMA, TRIALS_SCHEMA, JobFiles, StudyRecords
from experiments.storage.atomic import write_atomically
from experiments.storage.provenance import git_commit, processor, versions
from experiments.studies.jobs import Job, seeds_of, split_into_jobs
from experiments.studies.study import Study
from experiments.tables.oracles import oracle_of
from nas_algos.weight_sharing import PHASES, method_named
from nas_algos.weight_sharing.configs import MethodConfig
from nas_algos.weight_sharing.search import DivergedError, EpochRecord, SupernetSearch, check_supernet
from supernets.images.search_batches import SearchImages
from supernets.images.tasks import SPLIT_FILES
from supernets.settings import PUBLISHED_SCALE, NetworkScale, settings_of
from supernets.training.devices import gpu_name, threads

SCHEDULE = "shared"
"""Name of the schedule, in the records, of epochs that train shared weights."""

Tables = tuple[pa.Table, pa.Table, pa.Table]
"""Trials, overhead and epochs of a run."""


class OtherTableError(InputError):
    """A table was measured on other images or networks than those of the search."""


@dataclass(frozen=True, kw_only=True)
class WeightSharingStudy(Study):
    """A weight-sharing study. Equal studies give equal records on CPUs of one kind, except for measured seconds."""

    space: str
    algorithms: Mapping[str, MethodConfig]
    dataset: str
    """Name of the data set in the table; `images` may have another name."""
    images: Images
    scale: NetworkScale
    runs: int
    seed: int
    threads: int
    """CPU threads of each run; sums are rounded differently with another number."""
    device: str
    table: Path | None
    """The table in which derived architectures are looked up, if any."""

    def check(self) -> None:
        """Check in advance that the study can be run; raises InputError or OtherTableError."""
        if self.runs < 1 or self.seed < 0 or self.threads < 1:
            raise InputError(
                f"a study has at least 1 run and 1 thread per run, and its seed is not negative; got {self.runs}, "
                f"{self.threads} and {self.seed}"
            )
        for name, config in self.algorithms.items():
            check_supernet(method_named(name), self.space, config, self.images.task(), self.scale)
            SearchImages(self.images.task(), config.batch_size, config.evaluation_batch_size)
        self.check_table()

    def check_table(self) -> None:
        """Raise OtherTableError if the table was measured on other images or networks."""
        if not self.oracle:
            return
        provenance = self.oracle.table.info.provenance
        task, made_of = self.images.task(), str(provenance.get("images", ""))
        if "SHA-256" in made_of and task.fingerprint() not in made_of:
            raise OtherTableError(
                f"the table {self.table} was measured on other images, or another split of them whose test images "
                "would be searched on: give the --split-seed and the --data-dir of that table, or another --table"
            )
        if "SHA-256" not in made_of and task.name in SPLIT_FILES and task.split != "official":
            raise OtherTableError(
                f"the table {self.table} was measured on the published split of {task.name}, whose test images would "
                f"be searched on: put {SPLIT_FILES[task.name].file} into the --data-dir"
            )
        networks = str(provenance.get("network", list(PUBLISHED_SCALE.channels)))
        searched = "channels" in settings_of(self.space).scale_options
        if searched and str(list(self.scale.channels)) not in networks:
            raise OtherTableError(
                f"the table {self.table} is of networks with other channels than the supernet's "
                f"{list(self.scale.channels)}: {networks}. Give the --channels of the table, or another --table"
            )

    @property
    def oracle(self) -> Oracle | None:
        return oracle_of(self.table, self.dataset) if self.table else None

    @classmethod
    def recorded(cls, settings: WeightSharingSettings, images: Images, device: str) -> WeightSharingStudy:
        """The study that a header describes, without its table."""
        (dataset,) = settings.datasets
        return cls(
            space=settings.space,
            algorithms={name: method_named(name).Config(**options) for name, options in settings.algorithms.items()},
            dataset=dataset,
            images=images,
            scale=settings.scale,
            runs=settings.runs,
            seed=settings.seed,
            threads=settings.threads,
            device=device,
            table=None,
        )

    def search(self, algorithm: str, run: int) -> SupernetSearch:
        """A run of one of the methods, before its first epoch."""
        return SupernetSearch(
            method_named(algorithm),
            self.space,
            self.algorithms[algorithm],
            self.images.task(),
            self.scale,
            seeds_of(self.seed, algorithm, self.dataset, run),
            self.device,
        )

    def jobs(self) -> list[Job]:
        """Order jobs by run rather than by method, so that all methods have results early."""
        return sorted(split_into_jobs(self.algorithms, [self.dataset], self.runs, 1), key=lambda job: job.first)

    def header(self) -> StudyHeader:
        oracle = self.oracle
        info = oracle.table.info if oracle else None
        settings = WeightSharingSettings(
            space=self.space,
            algorithms={name: asdict(config) for name, config in self.algorithms.items()},
            datasets=(self.dataset,),
            runs=self.runs,
            seed=self.seed,
            report_fidelity={self.dataset: oracle.report_fidelity} if oracle else {},
            images=self.images.task().facts(),
            scale=self.scale,
            threads=self.threads,
            table=TableIdentity(name=info.name, provenance=dict(info.provenance)) if info else None,
            **reporting_facts({self.dataset: oracle} if oracle else {}),
        )
        optima = {self.dataset: Optimum.of(oracle)} if oracle else {}
        hardware = gpu_name(self.device) or processor()
        return StudyHeader(settings, optima, {**versions("torch"), "hardware": hardware}, git_commit())

    def execute(
        self, jobs: Sequence[Job], records: StudyRecords, resources: Resources, progress: Progress
    ) -> Iterator[tuple[Job, JobFiles]]:
        """Execute runs, each from the last epoch that it has finished; a run that diverges does not stop the others.

        Raises:
            DivergedError: the loss of some runs is not a number; raised after all other runs.
        """

        def report(job: Job, share: float) -> None:
            epochs = self.algorithms[job.algorithm].epochs
            done = int(share * epochs + 1e-6)  # shares are rounded
            progress(f"{job.algorithm}, run {job.first + 1} of {self.runs}", done, epochs)

        records.checkpoints_path.mkdir(exist_ok=True)
        calls: Calls[Job, JobFiles | DivergedError] = Calls(
            function=run_job,
            shared=(self, records.checkpoints_path.absolute()),
            beats=True,
            cpus=self.threads,
            libraries=TORCH,
        )
        diverged: list[DivergedError] = []
        for job, result in run_tasks(calls, jobs, resources, report):
            if isinstance(result, DivergedError):
                diverged.append(result)
            else:
                report(job, 1.0)
                yield job, result
        if diverged:
            others = f" ({len(diverged)} of the {len(jobs)} runs; the others are recorded)" if len(jobs) > 1 else ""
            raise DivergedError(f"{diverged[0]}{others}") from diverged[0]


def run_job(
    study: WeightSharingStudy, checkpoints: Path, job: Job, beat: Callable[[float], None]
) -> JobFiles | DivergedError:
    """Execute one run from its checkpoint, if there is one, and renew the checkpoint after every epoch.

    Args:
        beat: called with the fraction of the run's steps that are done.

    Returns: its records, or the error with which it diverged.
    """
    search = study.search(job.algorithm, job.first)
    checkpoint = checkpoints / f"{job.name}.pt"
    if checkpoint.exists():
        resume_from(checkpoint, search)
    try:
        with threads(study.threads):
            for _ in search.epochs(lambda done, total: beat(done / total)):
                write_atomically(checkpoint, search.to_bytes())
    except DivergedError as error:
        kept = f" The epochs before it are in {checkpoint}" if checkpoint.exists() else ""
        return DivergedError(
            f"{job.algorithm}, run {job.first + 1} of {study.runs}: {error}, and another --out, since other options "
            f"make another study.{kept}"
        )
    return JobFiles.of(*tables_of(study, job, search.records))


def resume_from(checkpoint: Path, search: SupernetSearch) -> None:
    """Resume a search; InputError if the file is not one of its checkpoints."""
    try:
        search.resume(checkpoint.read_bytes())
    except InputError as error:
        raise InputError(f"{checkpoint}: {error}") from error


def tables_of(study: WeightSharingStudy, job: Job, records: Sequence[EpochRecord]) -> Tables:
    """(TRIALS_SCHEMA, OVERHEAD_SCHEMA, EPOCHS_SCHEMA); a trial is the architecture derived by an epoch."""
    space, oracle, count = space_named(study.space), study.oracle, len(records)
    indices = np.array([space.index(record.arch) for record in records], np.int32)
    seconds = np.array([sum(record.seconds.values()) for record in records])
    unknown = np.full(count, np.nan)
    common: dict[str, Any] = {
        "algorithm": [job.algorithm] * count,
        "dataset": [job.dataset] * count,
        "run": [job.first] * count,
        "epoch": [record.epoch for record in records],
        "architecture": indices,
    }
    trials = {
        **common,
        "trial": common["epoch"],
        "schedule": [SCHEDULE] * count,
        "validation": [record.validation for record in records],
        "seconds": seconds,
        "elapsed": seconds.cumsum(),
        "incumbent": [True] * count,
        "report_validation": oracle.final_validation[indices] if oracle else unknown,
        "report_test": oracle.final_test[indices] if oracle else unknown,
    }
    epochs = {
        **common,
        "rank": [_rank(oracle, record.arch) for record in records],
        **{name: [getattr(record, name) for record in records] for name in _MEASURED},
        "one_shot_validation": [record.validation for record in records],
        "probabilities": [[p for row in record.probabilities for p in row] for record in records],
        **{f"{phase}_seconds": [record.seconds[phase] for record in records] for phase in PHASES},
    }
    overhead = {
        "algorithm": [job.algorithm],
        "dataset": [job.dataset],
        "run": [job.first],
        "search_seconds": [seconds.sum()],
    }
    schemas = ((TRIALS_SCHEMA, trials), (OVERHEAD_SCHEMA, overhead), (EPOCHS_SCHEMA, epochs))
    first, second, third = (_table(schema, columns) for schema, columns in schemas)
    return first, second, third


def _rank(oracle: Oracle | None, arch: Arch) -> int | None:
    try:
        return oracle.final_report(arch).rank if oracle else None
    except TableError:  # an unfinished table lacks it
        return None


_MEASURED = ("weight_loss", "weight_accuracy", "architecture_loss", "entropy")


def _table(schema: pa.Schema, columns: Mapping[str, Any]) -> pa.Table:
    return pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema)
