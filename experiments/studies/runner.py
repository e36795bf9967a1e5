"""Execution of a study: jobs that are not recorded yet run in this process or on Ray, and are recorded one by one."""

from __future__ import annotations

from pathlib import Path

from experiments.execution.progress import Progress
from experiments.execution.resources import Resources
from experiments.records.study import StudyRecords
from experiments.studies.study import Study

IN_PROCESS = Resources(workers=0)
"""Resources that run everything in this process."""


def default_directory(study: Study) -> Path:
    """A directory under ./runs named after the study's settings, so that the same command finds it again."""
    header = study.header()
    settings = header.settings
    return Path("runs") / "-".join([settings.space, *settings.algorithms, header.digest]).replace(":", ".")


def run_study(
    study: Study, directory: Path, resources: Resources = IN_PROCESS, progress: Progress = lambda *_: None
) -> StudyRecords:
    """Execute the jobs that the study's directory does not hold yet. Resumable: call it again after an interruption.

    Args:
        resources: with 0 workers, jobs run in this process; otherwise as that many Ray tasks. On a cluster, all nodes
            must share `directory` under the same path if the study trains supernets.

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
