"""Finished runs as rows of the records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.spaces import Space
from experiments.records.study import OVERHEAD_SCHEMA, TRIALS_SCHEMA
from experiments.studies.jobs import Job
from experiments.studies.search_loop import RunResult


def trials_table(
    job: Job, space: Space, results: list[RunResult], validation: NDArray[np.float64], test: NDArray[np.float64]
) -> pa.Table:
    """TRIALS_SCHEMA.

    Args:
        validation, test: (architectures of the space,) percent at the reporting fidelity; NaN where unknown.
    """
    trials = [trial for result in results for trial in result.trials]
    outcomes = [outcome for result in results for outcome in result.outcomes]
    indices = np.array([space.index(trial.arch) for trial in trials], np.int32)
    columns = {
        "algorithm": [job.algorithm] * len(trials),
        "dataset": [job.dataset] * len(trials),
        "run": np.repeat(np.arange(job.first, job.stop, dtype=np.int32), [len(result.trials) for result in results]),
        "trial": np.array([trial.id for trial in trials], np.int32),
        "architecture": indices,
        "schedule": [trial.fidelity.schedule for trial in trials],
        "epoch": np.array([trial.fidelity.epoch for trial in trials], np.int32),
        "validation": np.array([outcome.score for outcome in outcomes]),
        "seconds": np.array([outcome.seconds for outcome in outcomes]),
        "elapsed": np.array([time for result in results for time in result.elapsed]),
        "incumbent": np.array([flag for result in results for flag in result.incumbent], bool),
        "report_validation": validation[indices],
        "report_test": test[indices],
    }
    return pa.table([pa.array(columns[name], TRIALS_SCHEMA.field(name).type) for name in columns], schema=TRIALS_SCHEMA)


def overhead_table(job: Job, results: list[RunResult]) -> pa.Table:
    """OVERHEAD_SCHEMA."""
    rows: Iterator[dict[str, Any]] = (
        {"algorithm": job.algorithm, "dataset": job.dataset, "run": number, "search_seconds": result.search_seconds}
        for number, result in enumerate(results, start=job.first)
    )
    return pa.Table.from_pylist(list(rows), schema=OVERHEAD_SCHEMA)
