"""Running a study: what is missing from its directory is executed, here or on Ray, and written batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from experiments.execution.calls import Calls
from experiments.execution.progress import Progress
from experiments.execution.resources import Resources
from experiments.execution.tasks import run_tasks
from experiments.records.headers import StudyHeader
from experiments.records.study import StudyRecords
from experiments.storage.atomic import parquet
from experiments.studies.jobs import Job
from experiments.studies.table_study import TableStudy, execute


class Recorded(Protocol):
    """What has records: any kind of study."""

    def header(self) -> StudyHeader: ...

    def jobs(self) -> list[Job]: ...


def default_directory(study: Recorded) -> Path:
    """A directory under ./runs named after the study's settings, so that the same command finds it again."""
    header = study.header()
    settings = header.settings
    return Path("runs") / "-".join([settings.space, *settings.algorithms, header.digest]).replace(":", ".")


def run_study(
    study: TableStudy,
    directory: Path,
    workers: int = 0,
    ray_address: str | None = None,
    progress: Progress = lambda *_: None,
) -> StudyRecords:
    """Execute what the study's directory does not hold yet.

    Args:
        workers: 0 runs in this process; otherwise that many Ray tasks at a time.
        ray_address: of a running cluster; None starts Ray on this machine.

    Raises:
        RecordError: the directory holds something else.
        TableError: the table lacks what the study needs.
        InputError: another process is writing to the directory, or no cluster answers.
    """
    study.check()
    with open_study(study, directory) as (records, left):
        total = len(study.algorithms) * len(study.budgets) * study.runs
        done = total - sum(job.stop - job.first for job in left)
        progress("runs", done, total)
        for job, files in execute_jobs(study, left, Resources(workers, address=ray_address)):
            records.write_files(job.name, *files)
            done += job.stop - job.first
            progress("runs", done, total)
    return records


@contextmanager
def open_study(study: Recorded, directory: Path) -> Iterator[tuple[StudyRecords, list[Job]]]:
    """The records of a study, begun or resumed, for this process alone; and the jobs that they lack.

    Raises:
        RecordError: the directory holds something else.
        InputError: another process is writing there.
    """
    records, header = StudyRecords(directory), study.header()
    with records.writing(header):
        finished = records.finished()
        left = [job for job in study.jobs() if job.name not in finished]
        if left:
            records.resume(header)
        yield records, left


def execute_jobs(
    study: TableStudy, jobs: Sequence[Job], resources: Resources
) -> Iterator[tuple[Job, tuple[pa.Buffer, pa.Buffer]]]:
    """Yield each job with its (trials, overhead) as Parquet files when it is done, in any order."""
    return run_tasks(Calls(function=_execute, shared=(study,), files=(study.table,)), jobs, resources)


def _execute(study: TableStudy, table: Path, job: Job) -> tuple[pa.Buffer, pa.Buffer]:
    """Execute a job on a node that has the table at another path; the writer has little left to do with files."""
    trials, overhead = execute(replace(study, table=table), job)
    return parquet(trials), parquet(overhead)
