"""Jobs of a study on a table as Ray tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import ray

from experiments.execution.ray_tasks import Shipped, connected, result_of, task_of
from experiments.storage.atomic import parquet
from experiments.studies.jobs import Job
from experiments.studies.table_study import TableStudy, execute

FinishedJob = tuple[Job, pa.Buffer, pa.Buffer]
"""A job and its (trials, overhead) as Parquet files."""


def run_jobs(study: TableStudy, jobs: Sequence[Job], workers: int, address: str | None = None) -> Iterator[FinishedJob]:
    """Execute jobs as Ray tasks, yielding each batch when it is done, in any order.

    Args:
        workers: tasks at a time, and the CPUs of a local Ray.
        address: of a running cluster ('auto', 'HOST:PORT', 'ray://HOST:PORT'); None starts Ray on this machine. A node
            that has not the table at its path gets it through Ray, once.
    """
    with connected(workers, address):
        task = task_of(_execute)
        table = Shipped.of(study.table) if address else None
        shared = ray.put((study, table))
        waiting = list(reversed(jobs))
        running: dict[Any, Job] = {}
        at_once = workers if address else 2 * workers  # a Ray of ours has no more CPUs, so that half of them wait
        while waiting or running:
            while waiting and len(running) < at_once:  # back-pressure: results never pile up in the object store
                job = waiting.pop()
                running[task.remote(shared, job)] = job
            (done,), _ = ray.wait(list(running), num_returns=1)
            yield running[done], *result_of(done, running[done].name)
            del running[done]


def _execute(given: tuple[TableStudy, Shipped | None], job: Job) -> tuple[pa.Buffer, pa.Buffer]:
    """`execute` on a node that may lack the table; its tables as files, which leaves the driver little to do."""
    study, table = given
    trials, overhead = execute(replace(study, table=table.here()) if table else study, job)
    return parquet(trials), parquet(overhead)
