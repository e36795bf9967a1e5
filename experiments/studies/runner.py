"""Running a study: whatever its directory lacks is executed, here or on Ray, and written job by job."""

from __future__ import annotations

from pathlib import Path

from experiments.execution.progress import Progress
from experiments.execution.resources import Resources
from experiments.records.study import StudyRecords
from experiments.studies.study import Study

HERE = Resources(workers=0)
"""This process alone."""


def default_directory(study: Study) -> Path:
    """A directory under ./runs named after the study's settings, so that the same command finds it again."""
    header = study.header()
    settings = header.settings
    return Path("runs") / "-".join([settings.space, *settings.algorithms, header.digest]).replace(":", ".")


def run_study(
    study: Study, directory: Path, resources: Resources = HERE, progress: Progress = lambda *_: None
) -> StudyRecords:
    """Execute whatever the study's directory does not hold yet. Resumable: call it again after an interruption.

    Args:
        resources: 0 workers run in this process; otherwise that many Ray tasks run at a time. On a cluster, all nodes
            see `directory` under its path if the study trains supernets.

    Raises:
        RecordError: the directory holds something else.
        InputError: the study cannot be run, another process is writing to the directory, or no cluster answers.
        DivergedError: the loss of a supernet is not a number; the other runs are finished first.
    """
    study.check()
    records, header = StudyRecords(directory), study.header()
    study.check_directory(records)
    with records.writing(header):
        jobs, finished = study.jobs(), records.finished()
        left = [job for job in jobs if job.name not in finished]
        if left:
            records.resume(header)
        total = sum(job.runs for job in jobs)
        done = total - sum(job.runs for job in left)
        progress("runs", done, total)
        for job, files in study.execute(left, records, resources, progress):
            records.write_job_files(job.name, files)
            done += job.runs
            progress("runs", done, total)
    return records
