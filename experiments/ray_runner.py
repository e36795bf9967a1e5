"""Studies on Ray: one task per job. Nothing else of the multi-trial path imports Ray."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import ray

from benchmarks.errors import InputError
from experiments.study import Job, Study, execute

Batch = tuple[Job, pa.Table, pa.Table]


def run_jobs(study: Study, jobs: Sequence[Job], workers: int, address: str | None = None) -> Iterator[Batch]:
    """Execute jobs as Ray tasks, yielding each batch when it is done, in any order.

    Args:
        workers: tasks at a time, and the CPUs of a local Ray.
        address: of a running cluster ('auto', 'HOST:PORT', 'ray://HOST:PORT'); None starts Ray on this machine. Every
            node opens the table by its path, which must be the same on all of them.
    """
    _connect(workers, address)
    try:
        task = ray.remote(num_cpus=1, max_retries=3)(execute)
        shared = ray.put(study)
        waiting = list(reversed(jobs))
        running: dict[Any, Job] = {}
        while waiting or running:
            while waiting and len(running) < 2 * workers:  # back-pressure: results never pile up in the object store
                job = waiting.pop()
                running[task.remote(shared, job)] = job
            (done,), _ = ray.wait(list(running), num_returns=1)
            yield running.pop(done), *ray.get(done)
    finally:
        ray.shutdown()


def _connect(workers: int, address: str | None) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what a task without a GPU sees does not change
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        ray.init("local", num_cpus=workers, include_dashboard=False, **quiet)
        return
    try:
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if port.isdecimal():  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, **quiet)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Ray cluster answers at {address!r} ({error}). Give --ray-address auto on a node of the cluster, or "
            "HOST:PORT as 'ray start' printed it; a cluster with token authentication needs RAY_AUTH_MODE=token"
        ) from error
