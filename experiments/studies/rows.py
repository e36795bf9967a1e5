"""Conversion of finished runs to tables of the records."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.spaces import Space
from experiments.records.study import OVERHEAD_SCHEMA, TRIALS_SCHEMA
from experiments.storage.columns import column, names_column
from experiments.studies.jobs import Job
from experiments.studies.search_loop import RunResult


def trials_table(
    job: Job, space: Space, results: list[RunResult], validation: NDArray[np.float64], test: NDArray[np.float64]
) -> pa.Table:
    """The trials of a job (TRIALS_SCHEMA).

    Args:
        validation, test: scores at the reporting fidelity, (architectures of the space,); NaN if unknown.
    """
    trials = [trial for result in results for trial in result.trials]
    outcomes = [outcome for result in results for outcome in result.outcomes]
    indices = np.array([space.index(trial.arch) for trial in trials], np.int32)
    only = np.zeros(len(trials), np.int8)
    schedules = list(dict.fromkeys(trial.fidelity.schedule for trial in trials))
    columns = {
        "algorithm": names_column(only, [job.algorithm]),
        "dataset": names_column(only, [job.dataset]),
        "run": column(_run_of_each(job, [len(result.trials) for result in results])),
        "trial": column(np.array([trial.id for trial in trials], np.int32)),
        "architecture": column(indices),
        "schedule": names_column(
            np.array([schedules.index(trial.fidelity.schedule) for trial in trials], np.int8), schedules
        ),
        "epoch": column(np.array([trial.fidelity.epoch for trial in trials], np.int32)),
        "validation": column(np.array([outcome.score for outcome in outcomes], float)),
        "seconds": column(np.array([outcome.seconds for outcome in outcomes], float)),
        "elapsed": column(np.array([time for result in results for time in result.elapsed], float)),
        "incumbent": column(np.array([flag for result in results for flag in result.incumbent], bool)),
        "report_validation": column(validation[indices].astype(float)),
        "report_test": column(test[indices].astype(float)),
    }
    return pa.table(columns, schema=TRIALS_SCHEMA)


def overhead_table(job: Job, results: list[RunResult]) -> pa.Table:
    """The host seconds of each run of a job (OVERHEAD_SCHEMA)."""
    only = np.zeros(len(results), np.int8)
    columns = {
        "algorithm": names_column(only, [job.algorithm]),
        "dataset": names_column(only, [job.dataset]),
        "run": column(_run_of_each(job, [1] * len(results))),
        "search_seconds": column(np.array([result.search_seconds for result in results], float)),
    }
    return pa.table(columns, schema=OVERHEAD_SCHEMA)


def _run_of_each(job: Job, rows: list[int]) -> NDArray[np.int32]:
    """The run number of every row, given the rows of each run of the job."""
    return np.repeat(np.arange(job.first, job.stop, dtype=np.int32), rows)
