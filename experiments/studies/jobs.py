"""Jobs: groups of whole runs into which a study is split."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np

RUNS_PER_JOB = 25
"""Smallest number of runs per job of a multi-trial study."""
JOBS = 1000
"""Number of jobs of one algorithm on one data set above which jobs get more runs."""
MOST_RUNS_PER_JOB = 500
"""Largest number of runs per job, as the trials of a job are in memory together."""


@dataclass(frozen=True)
class Job:
    """Whole runs `first`, ..., `stop` - 1 of one algorithm on one data set."""

    algorithm: str
    dataset: str
    first: int
    stop: int

    def __str__(self) -> str:
        return self.name

    @property
    def runs(self) -> int:
        return self.stop - self.first

    @property
    def name(self) -> str:
        algorithm = self.algorithm.replace(":", ".")  # not allowed in file names on some systems
        return f"{algorithm}-{self.dataset}-{self.first:07d}-{self.stop - 1:07d}"


def split_into_jobs(algorithms: Iterable[str], datasets: Iterable[str], runs: int, runs_per_job: int) -> list[Job]:
    """Jobs of at most `runs_per_job` runs that cover all runs of all algorithms on all data sets."""
    return [
        Job(algorithm, dataset, first, min(first + runs_per_job, runs))
        for algorithm, dataset in product(algorithms, datasets)
        for first in range(0, runs, runs_per_job)
    ]


def seeds_of(study_seed: int, algorithm: str, dataset: str, number: int) -> np.random.SeedSequence:
    """The source of all random numbers of one run, independent of those of all other runs."""
    key = (zlib.crc32(algorithm.encode()), zlib.crc32(dataset.encode()), number)
    return np.random.SeedSequence(study_seed, spawn_key=key)
